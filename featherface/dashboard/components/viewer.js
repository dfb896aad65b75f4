// Draws the panels side by side, below each other on a narrow screen, or in wipe mode over each other. All panels
// share one view of the photo, in its pixels, so zooming or dragging one moves all. A click, a tap or a drawn box
// sends its place in the photo to Python.

const SVG = "http://www.w3.org/2000/svg";
const MAX_ZOOM = 24;
const LARGEST_PIXEL = 8; // pixels on screen; however large the photo, one can zoom in until its pixels are so large
const SHARP_PIXEL = 4; // pixels on screen from which the photo's pixels are shown as squares
const MIN_WIDTH_FOR_SCORE = 26; // width of a face on screen, in pixels, below which its score is hidden
const MIN_WIDTH_FOR_LANDMARKS = 14;
const LABEL = { width: 31, height: 17 }; // pixels on screen
const CLICK_DISTANCE = 4; // pixels on screen; a pointer that moves further drags
const FACE_SHARE = 0.25; // of the view's width or height, that a chosen face fills
const NO_PARTNER = -1;

const viewers = new WeakMap(); // by root element: Streamlit may mount the component again on the same one

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  if (!viewers.has(root)) viewers.set(root, new Viewer(root));
  const viewer = viewers.get(root);
  viewer.send = (spot) => setTriggerValue("spot", spot);
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
    this.tools.role = "toolbar";
    this.tools.ariaLabel = "Zoom and marks";
    this.marker = this.tool("Draw a box around a face; Shift + drag does the same", "Draw a box", () =>
      this.mark(!this.marking),
    );
    this.tool("Zoom out", "−", () => this.zoom(1 / 1.5));
    this.level = append(this.tools, "output", "level");
    this.tool("Zoom in", "+", () => this.zoom(1.5));
    this.tool("Show the whole photo", "Fit", () => this.fit());
    this.row = append(root, "div", "row");
    this.divider = new Divider(this.row);
    this.differences = new Differences(root, (face) => this.choose(face));
    this.tip = append(root, "div", "tip");
    this.tip.role = "status"; // read out when a face is chosen
    this.resizes = new ResizeObserver(() => this.place());
    root.onkeydown = (event) => {
      if (event.key !== "Escape" || (!this.marking && !this.chosen)) return;
      this.mark(false);
      this.choose(null);
    };
  }

  tool(name, text, action) {
    const button = append(this.tools, "button");
    button.type = "button";
    button.textContent = text;
    button.title = name;
    if (text.length < 4) button.ariaLabel = name;
    button.onclick = action;
    return button;
  }

  show(data) {
    const another = this.data?.photo !== data.photo;
    if (another || String(data.spot) !== String(this.data.spot)) this.sent = null;
    this.data = data;
    while (this.panels.length > data.panels.length) this.panels.pop().figure.remove();
    while (this.panels.length < data.panels.length) this.panels.push(this.addPanel());
    this.panels.forEach((panel, index) => this.fill(panel, data.panels[index], index));
    this.marker.hidden = !data.pick;
    this.mark(data.pick && this.marking);
    this.divider.show(data.wipe ? this.panels : null, data.panels);
    this.differences.show(data);
    this.resizes.observe(this.root);
    if (another) this.chosen = null;
    this.hovered = null;
    this.choose(this.sameFace(this.chosen), { move: false });
    if (another) this.fit();
    else this.place();
  }

  addPanel() {
    const figure = append(this.row, "figure");
    const caption = append(figure, "figcaption");
    const panel = { figure, name: append(caption, "b"), count: append(caption, "span") };
    panel.view = append(figure, "div", "view");
    panel.view.tabIndex = 0;
    panel.svg = append(panel.view, "svg", "photo", SVG);
    panel.image = append(panel.svg, "image", "", SVG);
    panel.tiles = new Tiles(append(panel.svg, "g", "", SVG));
    panel.marks = append(panel.svg, "g", "marks", SVG);
    panel.faces = append(panel.svg, "g", "", SVG);
    panel.ghost = append(panel.svg, "rect", "ghost", SVG); // a chosen face that this model missed
    panel.draft = append(panel.svg, "rect", "draft", SVG);
    drawRectangle(panel.draft, null);
    panel.message = append(panel.view, "p", "message");
    this.listen(panel);
    return panel;
  }

  fill(panel, content, index) {
    const { width, height, image } = this.data;
    panel.figure.style.setProperty("--colour", content.colour);
    panel.name.textContent = content.name;
    panel.count.textContent = content.count === 1 ? "1 face" : `${content.count} faces`;
    panel.view.role = this.data.wipe ? "group" : "img"; // an img may hold no control, such as the divider
    panel.view.ariaLabel = content.alt;
    panel.view.style.aspectRatio = Math.min(2.4, Math.max(0.85, width / height));
    panel.message.textContent = content.message;
    panel.message.hidden = !content.message;
    set(panel.image, { width, height, preserveAspectRatio: "none" });
    setAddress(panel.image, image);
    panel.faces.replaceChildren(...content.faces.map((face) => this.face(face, index)));
    panel.marks.replaceChildren(...this.marks());
  }

  face(face, panel) {
    const [left, top, right, bottom] = face.box;
    const group = document.createElementNS(SVG, "g");
    group.classList.add("face");
    group.classList.toggle("alone", face.pair === NO_PARTNER);
    group.face = { ...face, panel };
    const size = rectangle(face.box);
    set(append(group, "rect", "halo", SVG), size);
    set(append(group, "rect", "box", SVG), size);
    if (this.data.landmarks) {
      for (let i = 0; i < face.points.length; i += 2) {
        set(append(group, "circle", "point", SVG), { cx: face.points[i], cy: face.points[i + 1] });
      }
    }
    if (this.data.scores) this.label(group, face.score.toFixed(2));
    group.onpointerenter = (event) => {
      if (event.pointerType !== "touch") this.hover(group.face); // a finger taps instead
    };
    group.onpointerleave = () => this.hover(null);
    return group;
  }

  label(group, text) {
    const label = append(group, "g", "label", SVG);
    set(append(label, "rect", "", SVG), { x: 0, y: -LABEL.height, width: LABEL.width, height: 16, rx: 2 });
    const words = append(label, "text", "", SVG);
    set(words, { x: LABEL.width / 2, y: -5 });
    words.textContent = text;
  }

  // What a person has marked: boxes of faces, and the spot that is being explained.
  marks() {
    const marks = this.data.truth.map((box, index) => {
      const mark = document.createElementNS(SVG, "g");
      mark.classList.add("truth");
      append(mark, "title", "", SVG).textContent = `Marked face ${index + 1}`;
      set(append(mark, "rect", "halo", SVG), rectangle(box));
      set(append(mark, "rect", "outline", SVG), rectangle(box));
      return mark;
    });
    const spot = this.sent ?? this.data.spot;
    if (!spot) return marks;
    const mark = document.createElementNS(SVG, "g");
    mark.classList.add("spot");
    const [x, y, right, bottom] = spot;
    for (const name of ["halo", "outline"]) {
      if (right === undefined) append(mark, "path", name, SVG).dataset.at = `${x} ${y}`;
      else set(append(mark, "rect", name, SVG), rectangle([x, y, right, bottom]));
    }
    return [...marks, mark];
  }

  // Show the numbers of a face, and which face of the other panels matches it; null for none.
  highlight(face) {
    for (const group of this.row.querySelectorAll(".face")) {
      const same = face && face.pair !== NO_PARTNER && group.face.pair === face.pair;
      group.classList.toggle("hot", Boolean(face && (same || isSame(group.face, face))));
    }
    this.tip.hidden = !face;
    if (face && this.tip.textContent !== face.note) this.tip.textContent = face.note;
  }

  // Send a spot to Python, and show it at once: Python knows it only with its next run but one.
  sendSpot(spot) {
    this.sent = spot.box ?? spot.point;
    for (const { marks } of this.panels) marks.replaceChildren(...this.marks());
    this.place();
    this.send(spot);
  }

  hover(face) {
    this.hovered = face;
    this.highlight(face ?? this.chosen);
    if (!face) this.place();
  }

  // Keep a face highlighted, with its numbers beside it, and bring it into view; null for none.
  choose(face, { move = true } = {}) {
    this.chosen = face;
    this.highlight(face);
    this.differences.mark(face);
    this.panels.forEach(({ ghost }, index) => {
      const missed = face && face.pair === NO_PARTNER && face.panel !== index;
      drawRectangle(ghost, missed ? face.box : null);
    });
    if (face && move) this.zoomTo(face.box);
    this.place();
  }

  sameFace(face) {
    const groups = [...this.row.querySelectorAll(".face")];
    return face ? (groups.find((group) => isSame(group.face, face))?.face ?? null) : null;
  }

  // Choose the next (1) or previous (-1) face of a panel.
  step(panel, direction) {
    const faces = [...panel.faces.children].map((group) => group.face);
    if (!faces.length) return;
    const now = faces.findIndex((face) => this.chosen && isSame(face, this.chosen));
    const next = now < 0 ? (direction > 0 ? 0 : faces.length - 1) : (now + direction + faces.length) % faces.length;
    this.choose(faces[next], { move: this.window.zoom > 1 });
  }

  mark(marking) {
    this.marking = Boolean(marking);
    this.marker.ariaPressed = String(this.marking);
    this.row.classList.toggle("marking", this.marking);
  }

  fit() {
    this.window = { x: 0, y: 0, zoom: 1 };
    this.place();
  }

  zoomTo([left, top, right, bottom]) {
    const { width, height } = this.data;
    const share = Math.max((right - left) / width, (bottom - top) / height);
    const zoom = Math.min(this.maxZoom(), Math.max(1, FACE_SHARE / share));
    const [x, y] = [(left + right - width / zoom) / 2, (top + bottom - height / zoom) / 2];
    this.window = { x, y, zoom };
    this.place();
  }

  maxZoom() {
    return Math.max(MAX_ZOOM, (LARGEST_PIXEL * this.data.width) / Math.max(1, this.panels[0].view.clientWidth));
  }

  // Zoom by `factor` about a point of the photo, by default the centre of the view.
  zoom(factor, about) {
    const { width, height } = this.data;
    const { x, y, zoom } = this.window;
    const point = about ?? { x: x + width / zoom / 2, y: y + height / zoom / 2 };
    const next = Math.min(this.maxZoom(), Math.max(1, zoom * factor));
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
    for (const panel of this.panels) {
      const box = panel.view;
      if (!box.clientWidth || !box.clientHeight) continue;
      const unit = Math.max(shownWidth / box.clientWidth, shownHeight / box.clientHeight);
      const [halfWidth, halfHeight] = [(box.clientWidth * unit) / 2, (box.clientHeight * unit) / 2];
      const [x, y] = [view.x + shownWidth / 2, view.y + shownHeight / 2];
      const visible = { left: x - halfWidth, top: y - halfHeight, right: x + halfWidth, bottom: y + halfHeight };
      panel.svg.setAttribute("viewBox", `${view.x} ${view.y} ${shownWidth} ${shownHeight}`);
      panel.svg.style.setProperty("--unit", unit);
      panel.svg.classList.toggle("sharp", 1 / unit >= SHARP_PIXEL);
      box.classList.toggle("zoomed", view.zoom > 1);
      panel.tiles.show(this.data, visible, unit);
      for (const group of panel.faces.children) placeLabel(group, visible, unit);
      for (const path of panel.marks.querySelectorAll("path")) set(path, { d: cross(path.dataset.at, 9 * unit) });
    }
    if (this.chosen && !this.hovered) this.placeTipAtFace(this.chosen);
  }

  listen({ view, svg }) {
    const toPhoto = (x, y) => new DOMPoint(x, y).matrixTransform(svg.getScreenCTM().inverse());
    const unit = () => Number(svg.style.getPropertyValue("--unit"));
    view.onwheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // plain wheels scroll the page; a pinch has ctrlKey
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 200), toPhoto(event.clientX, event.clientY));
    };
    view.ondblclick = (event) => {
      if (!this.marking) this.zoom(2, toPhoto(event.clientX, event.clientY));
    };
    view.onpointerdown = (event) => {
      this.pointers.set(event.pointerId, event);
      this.pressed = event;
      this.dragged = false;
      this.boxFrom = null;
      const draws = this.data.pick && (this.marking || event.shiftKey) && this.pointers.size === 1;
      if (draws && event.button === 0) {
        this.boxFrom = toPhoto(event.clientX, event.clientY);
        event.preventDefault(); // of text
      } else this.drawDraft(null);
    };
    view.onclick = (event) => {
      if (this.dragged || event.detail > 1) return;
      const face = event.target.closest?.(".face")?.face ?? null;
      this.choose(face, { move: false });
      if (!this.data.pick) return;
      const { x, y } = toPhoto(event.clientX, event.clientY);
      if (x >= 0 && y >= 0 && x < this.data.width && y < this.data.height) this.sendSpot({ point: [x, y] });
    };
    view.onpointermove = (event) => {
      if (this.hovered) this.placeTip(event);
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      this.pointers.set(event.pointerId, event);
      if (distance(event, this.pressed) > CLICK_DISTANCE) this.dragged = true;
      const other = [...this.pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
      if (other) {
        this.boxFrom = null;
        this.drawDraft(null);
        const middle = toPhoto((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
        this.zoom(distance(event, other) / Math.max(1, distance(before, other)), middle);
      } else if (this.boxFrom) {
        view.setPointerCapture(event.pointerId);
        this.drawDraft(this.boxTo(toPhoto(event.clientX, event.clientY)));
      } else if (this.window.zoom > 1 && this.dragged) {
        view.setPointerCapture(event.pointerId);
        this.move((before.clientX - event.clientX) * unit(), (before.clientY - event.clientY) * unit());
      }
    };
    view.onpointerup = (event) => {
      if (this.boxFrom && this.dragged) {
        const box = this.boxTo(toPhoto(event.clientX, event.clientY));
        const least = CLICK_DISTANCE * unit();
        if (box[2] - box[0] >= least && box[3] - box[1] >= least) this.sendSpot({ box });
      }
      this.release(event);
    };
    view.onpointercancel = view.onpointerleave = (event) => this.release(event);
    view.onkeydown = (event) => this.obey(event, view);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    this.boxFrom = null;
    this.drawDraft(null);
  }

  // The box from where the pointer went down to here, within the photo.
  boxTo({ x, y }) {
    const [fromX, fromY] = [clamp(this.boxFrom.x, 0, this.data.width), clamp(this.boxFrom.y, 0, this.data.height)];
    const [toX, toY] = [clamp(x, 0, this.data.width), clamp(y, 0, this.data.height)];
    return [Math.min(fromX, toX), Math.min(fromY, toY), Math.max(fromX, toX), Math.max(fromY, toY)];
  }

  drawDraft(box) {
    for (const { draft } of this.panels) drawRectangle(draft, box);
  }

  obey(event, view) {
    const step = (40 * this.data.width) / view.clientWidth / this.window.zoom;
    const panel = this.panels.find((each) => each.view === view);
    const action = {
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.fit(),
      n: () => this.step(panel, 1),
      p: () => this.step(panel, -1),
      ArrowLeft: () => this.move(-step, 0),
      ArrowRight: () => this.move(step, 0),
      ArrowUp: () => this.move(0, -step),
      ArrowDown: () => this.move(0, step),
    }[event.key];
    const scrolls = event.key.startsWith("Arrow") && this.window.zoom === 1;
    if (!action || scrolls || event.ctrlKey || event.metaKey || event.target !== view) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  placeTip({ clientX, clientY }) {
    const frame = this.root.getBoundingClientRect();
    const left = Math.min(clientX - frame.left + 14, frame.width - this.tip.offsetWidth - 4);
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${clientY - frame.top + 16}px`;
  }

  placeTipAtFace({ box, panel }) {
    const { svg, view } = this.panels[panel];
    const corner = new DOMPoint(box[0], box[3]).matrixTransform(svg.getScreenCTM());
    const edge = view.getBoundingClientRect();
    this.placeTip({
      clientX: clamp(corner.x, edge.left, edge.right - this.tip.offsetWidth) - 14,
      clientY: clamp(corner.y, edge.top, edge.bottom - this.tip.offsetHeight) - 10,
    });
  }
}

// Put a face's score above its box; inside it where the top edge would hide it, and never beyond left and right.
function placeLabel(group, visible, unit) {
  const [left, top, right, bottom] = group.face.box;
  const outside = right < visible.left || left > visible.right || bottom < visible.top || top > visible.bottom;
  const onScreen = (right - left) / unit;
  group.classList.toggle("small", outside || onScreen < MIN_WIDTH_FOR_SCORE);
  group.classList.toggle("tiny", onScreen < MIN_WIDTH_FOR_LANDMARKS);
  const hidden = (top - visible.top) / unit < LABEL.height;
  const y = hidden ? Math.max(top, visible.top) + LABEL.height * unit : top;
  const x = clamp(left - unit, visible.left, Math.max(visible.left, visible.right - LABEL.width * unit));
  group.style.setProperty("--x", `${x}px`);
  group.style.setProperty("--y", `${y}px`);
}

function isSame(face, other) {
  return face.panel === other.panel && face.box.every((value, index) => value === other.box[index]);
}

function rectangle([left, top, right, bottom]) {
  return { x: left, y: top, width: right - left, height: bottom - top };
}

// Place a rectangle; null hides it.
function drawRectangle(element, box) {
  element.style.display = box ? "" : "none";
  if (box) set(element, rectangle(box));
}

function cross(at, arm) {
  const [x, y] = at.split(" ").map(Number);
  return `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`;
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

function append(parent, tag, name = "", space = "http://www.w3.org/1999/xhtml") {
  const element = document.createElementNS(space, tag);
  if (name) element.setAttribute("class", name);
  return parent.appendChild(element);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

// Set an address relative to the page, which is also right where the dashboard is served below a path.
function setAddress(image, address) {
  const absolute = new URL(address, document.baseURI).href;
  if (image.getAttribute("href") !== absolute) image.setAttribute("href", absolute);
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
