// The faces that only one model found, as a row of thumbnails; choosing one zooms every view to it.

const MOST = 60; // thumbnails; a crowd can differ in hundreds
const THUMBNAIL = 144; // pixels: 72 on a screen of double density
const AROUND = 2.2; // a thumbnail shows so many times the face

class Differences {
  constructor(root, choose) {
    this.choose = choose;
    this.box = append(root, "section", "differences");
    this.title = append(this.box, "p", "title");
    this.list = append(this.box, "div", "thumbnails");
    this.list.role = "toolbar";
    this.list.onkeydown = (event) => this.obey(event);
  }

  show(data) {
    const alone = data.panels.flatMap(({ faces, colour, name, short }, panel) =>
      faces.filter(({ pair }) => pair === NO_PARTNER).map((face) => ({ ...face, panel, colour, name, short })),
    );
    alone.sort((one, other) => other.score - one.score);
    this.box.hidden = !data.differences || !alone.length;
    if (this.box.hidden) {
      this.list.replaceChildren();
      return;
    }
    const more = alone.length - MOST;
    const faces = alone.length === 1 ? "1 face" : `${alone.length} faces`;
    this.title.textContent =
      `${faces} found by only one model; choose one to zoom to it` + (more > 0 ? ` (the first ${MOST} are shown)` : "");
    this.list.ariaLabel = "Faces found by only one model";
    this.list.replaceChildren(...alone.slice(0, MOST).map((face) => this.thumbnail(face, data)));
    this.list.firstChild.tabIndex = 0;
  }

  thumbnail(face, data) {
    const [left, top, right, bottom] = face.box;
    const half = Math.max(8, (AROUND * longest(face.box)) / 2);
    const [x, y] = [clamp((left + right) / 2, 0, data.width), clamp((top + bottom) / 2, 0, data.height)];
    const shown = [
      Math.floor(clamp(x - half, 0, data.width - 1)),
      Math.floor(clamp(y - half, 0, data.height - 1)),
      Math.ceil(clamp(x + half, 1, data.width)),
      Math.ceil(clamp(y + half, 1, data.height)),
    ];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "thumbnail";
    button.style.setProperty("--colour", face.colour);
    button.tabIndex = -1; // one stop for Tab; the arrow keys do the rest
    button.face = face;
    button.ariaPressed = "false";
    button.ariaLabel = `${face.name} only, score ${face.score.toFixed(2)}, ${Math.round(right - left)} × ${Math.round(
      bottom - top,
    )} pixels`;
    button.onclick = () => this.choose(button.ariaPressed === "true" ? null : face);
    const svg = append(button, "svg", "", SVG);
    set(svg, { viewBox: `${x - half} ${y - half} ${2 * half} ${2 * half}`, "aria-hidden": "true" });
    const image = append(svg, "image", "", SVG);
    const whole = [0, 0, data.width, data.height];
    set(image, { ...rectangle(data.regions ? shown : whole), preserveAspectRatio: "none" });
    const size = Math.ceil(Math.min(THUMBNAIL, longest(shown)));
    setAddress(image, data.regions ? regionAddress(data.regions, shown, size) : data.image);
    set(append(svg, "rect", "box", SVG), rectangle(face.box));
    append(button, "span").textContent = `${face.short} ${face.score.toFixed(2)}`;
    return button;
  }

  mark(face) {
    for (const button of this.list.children) {
      const pressed = Boolean(face && isSame(button.face, face));
      button.ariaPressed = String(pressed);
      if (pressed) this.stop(button);
    }
  }

  // Make a thumbnail the one that Tab stops at.
  stop(button) {
    for (const each of this.list.children) each.tabIndex = each === button ? 0 : -1;
  }

  obey(event) {
    const buttons = [...this.list.children];
    const now = buttons.indexOf(event.target.closest("button"));
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    this.stop(buttons[to]);
    buttons[to].focus();
  }
}
