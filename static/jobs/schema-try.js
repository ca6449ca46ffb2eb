// The page to try a schema out: when the form has been drawn anew for another text, it is brought to life.
import { adopt } from "./schema-form.js";

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id === "filled") adopt(event.detail.target);
});

// A schema that was dropped or chosen as a file goes through the text, so that there is one source of it.
document.getElementById("id_file")?.addEventListener("change", (event) => event.stopPropagation());
