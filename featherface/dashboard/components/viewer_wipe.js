// Wipe mode: the panels lie over each other, and a divider says how much of each is seen.

const STEP = 2; // per cent of the width, by an arrow key
const LEAP = 10; // by Page up and down, or with Shift

class Divider {
  constructor(row) {
    this.row = row;
    this.share = 50;
    this.handle = document.createElement("div");
    this.handle.className = "divider";
    this.handle.tabIndex = 0;
    this.handle.role = "slider";
    this.handle.ariaValueMin = "0";
    this.handle.ariaValueMax = "100";
    append(this.handle, "span", "grip").textContent = "⇔";
    this.handle.onpointerdown = (event) => {
      event.stopPropagation();
      this.handle.setPointerCapture(event.pointerId);
    };
    this.handle.onpointermove = (event) => {
      event.stopPropagation();
      if (this.handle.hasPointerCapture(event.pointerId)) this.follow(event.clientX);
    };
    this.handle.onclick = this.handle.ondblclick = (event) => event.stopPropagation();
    this.handle.onkeydown = (event) => this.obey(event);
  }

  // Lay two panels over each other; with null, side by side.
  show(panels, contents) {
    const wipes = panels?.length === 2;
    this.row.classList.toggle("wipe", wipes);
    if (!wipes) {
      this.handle.remove();
      return;
    }
    [this.first, this.second] = contents.map(({ name }) => name);
    this.handle.ariaLabel = `Divider between ${this.first} on the left and ${this.second} on the right`;
    panels[1].view.append(this.handle);
    this.move(this.share);
  }

  follow(clientX) {
    const { left, width } = this.handle.parentElement.getBoundingClientRect();
    this.move((100 * (clientX - left)) / width);
  }

  move(share) {
    this.share = clamp(share, 0, 100);
    this.row.style.setProperty("--wipe", `${this.share}%`);
    this.handle.ariaValueNow = String(Math.round(this.share));
    this.handle.ariaValueText = `${this.first} ${Math.round(this.share)}%`;
  }

  obey(event) {
    const step = event.shiftKey ? LEAP : STEP;
    const to = {
      ArrowLeft: this.share - step,
      ArrowDown: this.share - step,
      ArrowRight: this.share + step,
      ArrowUp: this.share + step,
      PageDown: this.share - LEAP,
      PageUp: this.share + LEAP,
      Home: 0,
      End: 100,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(to);
  }
}
