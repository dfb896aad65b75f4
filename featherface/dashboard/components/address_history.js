// Makes the browser's Back button go back one choice. Streamlit replaces the page's address when a control changes;
// here what a person does adds an entry instead, while what the page does by itself still replaces the entry.

const SAME_CHOICE = 1000; // milliseconds within which key presses that change one setting are one choice
const ACTS = ["pointerdown", "keydown", "drop", "change"];

export default function () {
  if (window.addressHistory) return; // it outlives the element, through page switches
  window.addressHistory = new AddressHistory(window.history);
}

class AddressHistory {
  constructor(history) {
    this.acted = ""; // what a person did since the latest entry was added, one of ACTS
    this.last = { setting: "", time: 0 }; // of the latest change
    this.push = history.pushState.bind(history);
    this.replace = history.replaceState.bind(history);
    history.pushState = history.replaceState = (...entry) => this.go(...entry);
    for (const act of ACTS) addEventListener(act, () => this.note(act), { capture: true, passive: true });
    addEventListener("popstate", () => (this.acted = ""), { capture: true });
  }

  note(act) {
    if (act !== "change" || !this.acted) this.acted = act; // a change follows from a key or a pointer
  }

  go(state, title, address) {
    const before = new URL(location.href);
    const after = new URL(address ?? location.href, location.href);
    const setting = before.pathname === after.pathname ? difference(before.searchParams, after.searchParams) : after.pathname;
    const now = performance.now();
    const repeated = this.acted === "keydown" && now - this.last.time < SAME_CHOICE;
    const same = repeated && setting === this.last.setting;
    if (setting && this.acted && !same) this.push(state, title, address);
    else this.replace(state, title, address);
    if (!setting) return;
    this.acted = "";
    this.last = { setting, time: now };
  }
}

// The names of the parameters that differ.
function difference(before, after) {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.getAll(name).join() !== after.getAll(name).join()).join();
}
