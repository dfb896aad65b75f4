// Copies the address of the page, which holds its settings; uploaded photos are never part of it.

const SHOWN = 2000; // milliseconds of the answer
const LABEL = "Copy link";

export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  const label = button.querySelector("span");
  button.title = "Copy a link that restores the settings on this page. Your photos are not part of it.";
  let timer;
  button.onclick = async () => {
    label.textContent = (await copied(window.location.href)) ? "Link copied" : "Copy the address bar instead";
    clearTimeout(timer);
    timer = setTimeout(() => (label.textContent = LABEL), SHOWN);
  };
  return () => clearTimeout(timer);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text); // plain HTTP has no clipboard, and a browser may refuse it
  }
}

function copiedBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
