// xterm.js writes its rules into <style> elements and its colours into style attributes, both of which this portal's
// content security policy refuses. On a page with a terminal, document.createElement therefore gives a <style> that is a
// constructed style sheet, and spans that take a style attribute through the CSSOM: the policy is about neither.

const plainly = (name, options) => Document.prototype.createElement.call(document, name, options);

function sheetElement() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const place = plainly("template"); // stands where the <style> would: in the page, and never shown
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

document.createElement = (name, options) => {
  if (name === "style") return sheetElement();
  const made = plainly(name, options);
  if (name === "span") made.setAttribute = setAttribute;
  return made;
};
