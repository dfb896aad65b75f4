// Draws the panels side by side, or below each other on a narrow screen. All panels share one view of the photo, in
// its pixels, so zooming or dragging one moves all. A click or tap sends its point of the photo to Python.

const SVG = "http://www.w3.org/2000/svg";
const MAX_ZOOM = 24;
const MIN_WIDTH_FOR_SCORE = 26; // width of a face on screen, in pixels, below which its score is hidden
const MIN_WIDTH_FOR_LANDMARKS = 14;
const LABEL_HEIGHT = 17; // pixels on screen
const CLICK_DISTANCE = 4; // pixels on screen; a pointer that moves further drags
const NO_PARTNER = -1;

const viewers = new WeakMap(); // by root element: Streamlit may mount the component again on the same one

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  if (!viewers.has(root)) viewers.set(root, new Viewer(root));
  const viewer = viewers.get(root);
  viewer.sendSpot = (spot) => setTriggerValue("spot", spot);
  viewer.show(data);
  return () => viewer.resizes.disconnect();
}

class Viewer {
  constructor(root) {
    root.replaceChildren();
    this.root = root;
    this.panels = [];
    this.pointers = new Map();
    this.tools = append(root, "div", "tools");
    this.tool("Zoom out", "−", () => this.zoom(1 / 1.5));
    this.level = append(this.tools, "output", "level");
    this.tool("Zoom in", "+", () => this.zoom(1.5));
    this.tool("Show the whole photo", "Fit", () => this.fit());
    this.row = append(root, "div", "row");
    this.tip = append(root, "div", "tip");
    this.resizes = new ResizeObserver(() => this.place());
  }

  tool(name, text, action) {
    const button = append(this.tools, "button");
    button.type = "button";
    button.textContent = text;
    button.ariaLabel = button.title = name;
    button.onclick = action;
  }

  show(data) {
    const another = this.data?.photo !== data.photo;
    this.data = data;
    while (this.panels.length > data.panels.length) this.panels.pop().figure.remove();
    while (this.panels.length < data.panels.length) this.panels.push(this.addPanel());
    this.panels.forEach((panel, index) => this.fill(panel, data.panels[index]));
    this.tip.hidden = true;
    this.resizes.observe(this.root);
    if (another) this.fit();
    else this.place();
  }

  addPanel() {
    const figure = append(this.row, "figure");
    const caption = append(figure, "figcaption");
    const panel = { figure, name: append(caption, "b"), count: append(caption, "span") };
    panel.view = append(figure, "div", "view");
    panel.view.tabIndex = 0;
    panel.view.role = "img";
    panel.svg = append(panel.view, "svg", "", SVG);
    panel.image = append(panel.svg, "image", "", SVG);
    panel.faces = append(panel.svg, "g", "", SVG);
    panel.message = append(panel.view, "p", "message");
    this.listen(panel.view, panel.svg);
    return panel;
  }

  fill(panel, content) {
    const { width, height, image } = this.data;
    panel.figure.style.setProperty("--colour", content.colour);
    panel.name.textContent = content.name;
    panel.count.textContent = content.count === 1 ? "1 face" : `${content.count} faces`;
    panel.view.ariaLabel = content.alt;
    panel.view.style.aspectRatio = Math.min(2.4, Math.max(0.85, width / height));
    panel.message.textContent = content.message;
    panel.message.hidden = !content.message;
    set(panel.image, { width, height });
    const address = new URL(image, document.baseURI).href; // also right where the dashboard is served below a path
    if (panel.image.getAttribute("href") !== address) panel.image.setAttribute("href", address);
    panel.faces.replaceChildren(...content.faces.map((face) => this.face(face)));
  }

  face({ box: [left, top, right, bottom], points, score, pair, note }) {
    const group = document.createElementNS(SVG, "g");
    group.classList.add("face");
    group.classList.toggle("alone", pair === NO_PARTNER);
    group.dataset.width = right - left;
    group.dataset.top = top;
    group.dataset.pair = pair;
    const size = { x: left, y: top, width: right - left, height: bottom - top };
    set(append(group, "rect", "halo", SVG), size);
    set(append(group, "rect", "box", SVG), size);
    if (this.data.landmarks) {
      for (let i = 0; i < points.length; i += 2) {
        set(append(group, "circle", "point", SVG), { cx: points[i], cy: points[i + 1] });
      }
    }
    if (this.data.scores) this.label(group, left, score.toFixed(2));
    group.onpointerenter = () => this.highlight(pair, group, note);
    group.onpointerleave = (event) => {
      if (event.pointerType !== "touch") this.highlight(null); // a tap ends at once; its face stays highlighted
    };
    return group;
  }

  label(group, left, text) {
    const label = append(group, "g", "label", SVG);
    label.style.setProperty("--x", `${left}px`);
    set(append(label, "rect", "", SVG), { x: -1, y: -17, width: 31, height: 16, rx: 2 });
    const words = append(label, "text", "", SVG);
    set(words, { x: 14.5, y: -5 });
    words.textContent = text;
  }

  highlight(pair, group, note) {
    for (const face of this.row.querySelectorAll(".face")) {
      const same = pair !== null && pair !== NO_PARTNER && face.dataset.pair === String(pair);
      face.classList.toggle("hot", same || face === group);
    }
    this.tip.hidden = pair === null;
    if (pair !== null) this.tip.textContent = note;
  }

  fit() {
    this.window = { x: 0, y: 0, zoom: 1 };
    this.place();
  }

  // Zoom by `factor` about a point of the photo, by default the centre of the view.
  zoom(factor, about) {
    const { width, height } = this.data;
    const { x, y, zoom } = this.window;
    const point = about ?? { x: x + width / zoom / 2, y: y + height / zoom / 2 };
    const next = Math.min(MAX_ZOOM, Math.max(1, zoom * factor));
    this.window = { x: point.x - ((point.x - x) * zoom) / next, y: point.y - ((point.y - y) * zoom) / next, zoom: next };
    this.place();
  }

  move(dx, dy) {
    this.window.x += dx;
    this.window.y += dy;
    this.place();
  }

  place() {
    if (!this.data || !this.window || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const { width, height } = this.data;
    const view = this.window;
    const [shownWidth, shownHeight] = [width / view.zoom, height / view.zoom];
    view.x = Math.min(width - shownWidth, Math.max(0, view.x));
    view.y = Math.min(height - shownHeight, Math.max(0, view.y));
    this.level.textContent = `${Math.round(view.zoom * 100)}%`;
    for (const { view: box, svg, faces } of this.panels) {
      const unit = Math.max(shownWidth / box.clientWidth, shownHeight / box.clientHeight);
      svg.setAttribute("viewBox", `${view.x} ${view.y} ${shownWidth} ${shownHeight}`);
      svg.style.setProperty("--unit", unit);
      box.classList.toggle("zoomed", view.zoom > 1);
      for (const face of faces.children) {
        const onScreen = face.dataset.width / unit;
        face.classList.toggle("small", onScreen < MIN_WIDTH_FOR_SCORE);
        face.classList.toggle("tiny", onScreen < MIN_WIDTH_FOR_LANDMARKS);
        const hidden = (face.dataset.top - view.y) / unit < LABEL_HEIGHT; // above the view: inside the box instead
        face.classList.toggle("at-top", hidden);
        face.style.setProperty("--y", `${hidden ? Math.max(face.dataset.top, view.y) : face.dataset.top}px`);
      }
    }
  }

  listen(view, svg) {
    const toPhoto = (x, y) => new DOMPoint(x, y).matrixTransform(svg.getScreenCTM().inverse());
    const unit = () => Number(svg.style.getPropertyValue("--unit"));
    view.onwheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // plain wheels scroll the page; a pinch has ctrlKey
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 200), toPhoto(event.clientX, event.clientY));
    };
    view.ondblclick = (event) => this.zoom(2, toPhoto(event.clientX, event.clientY));
    view.onpointerdown = (event) => {
      this.pointers.set(event.pointerId, event);
      this.pressed = event;
      if (event.pointerType === "touch") this.highlight(null);
    };
    view.onclick = (event) => {
      this.placeTip(event);
      if (!this.data.pick || event.detail > 1 || !this.pressed || distance(event, this.pressed) > CLICK_DISTANCE) return;
      const { x, y } = toPhoto(event.clientX, event.clientY);
      if (x >= 0 && y >= 0 && x < this.data.width && y < this.data.height) this.sendSpot({ point: [x, y] });
    };
    view.onpointermove = (event) => {
      this.placeTip(event);
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      this.pointers.set(event.pointerId, event);
      const other = [...this.pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
      if (other) {
        const middle = toPhoto((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
        this.zoom(distance(event, other) / Math.max(1, distance(before, other)), middle);
      } else if (this.window.zoom > 1) {
        view.setPointerCapture(event.pointerId);
        this.move((before.clientX - event.clientX) * unit(), (before.clientY - event.clientY) * unit());
      }
    };
    view.onpointerup = view.onpointercancel = view.onpointerleave = (event) => {
      this.pointers.delete(event.pointerId);
    };
    view.onkeydown = (event) => {
      const step = (40 * this.data.width) / view.clientWidth / this.window.zoom;
      const action = {
        "+": () => this.zoom(1.5),
        "=": () => this.zoom(1.5),
        "-": () => this.zoom(1 / 1.5),
        0: () => this.fit(),
        ArrowLeft: () => this.move(-step, 0),
        ArrowRight: () => this.move(step, 0),
        ArrowUp: () => this.move(0, -step),
        ArrowDown: () => this.move(0, step),
      }[event.key];
      const scrolls = event.key.startsWith("Arrow") && this.window.zoom === 1;
      if (!action || scrolls || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    };
  }

  placeTip(event) {
    const frame = this.row.parentElement.getBoundingClientRect();
    const left = Math.min(event.clientX - frame.left + 14, frame.width - this.tip.offsetWidth - 4);
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${event.clientY - frame.top + 16}px`;
  }
}

function append(parent, tag, name = "", space = "http://www.w3.org/1999/xhtml") {
  const element = document.createElementNS(space, tag);
  if (name) element.setAttribute("class", name);
  return parent.appendChild(element);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
