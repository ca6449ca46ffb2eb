// xterm.js writes its rules into <style> elements and its colours into style attributes, both of which this portal's
// content security policy refuses. Given this document in place of the page's own, it writes into constructed style
// sheets and through the CSSOM instead, which the policy is not about.

function sheetElement() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const place = document.createElement("template"); // stands where the <style> would: in the page, and never shown
  let text = "";
  Object.defineProperty(place, "textContent", {
    get: () => text,
    set: (rules) => {
      text = rules;
      sheet.replaceSync(rules);
    },
  });
  place.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(place);
  };
  return place;
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

function createElement(name, options) {
  if (name === "style") return sheetElement();
  const made = document.createElement(name, options);
  if (name === "span") made.setAttribute = setAttribute;
  return made;
}

// The page's document, but for the elements that it makes.
export const sheetDocument = new Proxy(document, {
  get(page, name) {
    if (name === "createElement") return createElement;
    const value = Reflect.get(page, name, page);
    return typeof value === "function" ? value.bind(page) : value;
  },
});
