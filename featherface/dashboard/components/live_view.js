// The camera of this browser, its frames sent to the server, and each model's faces drawn over the video.
// Frames are sent over the server's own WebSocket; the video itself never leaves the browser.

const HISTORY_SECONDS = 60;
const KEPT_PER_SECOND = 4; // frames kept for a click on the strip
const JPEG_QUALITY = 0.85;
const SENT_FRAMES = 60; // sent frames kept until their results come; a slow model answers some seconds later
const MAX_UNSENT_BYTES = 250_000; // a slow network gets fewer frames instead of old ones
const RECONNECT_MS = [500, 1000, 2000, 5000];
const NEW_TOKEN_MS = 30_000; // for a new token after a restart of the server
const RESOLUTIONS = { "640 x 360": [640, 360], "640 x 480": [640, 480], "1280 x 720": [1280, 720], "1920 x 1080": [1920, 1080] };
const RATES = [5, 10, 15, 30, 60];
const CLOSE_NO_TOKEN = 4401;
const CLOSE_TOO_BUSY = 4429;

const RUNNING = "The camera is on. Choose a moment in the strip below to open its frame on the Detection page.";
const CAMERA_ERRORS = {
  NotAllowedError: "Camera access was denied. Allow it in the address bar of your browser, then press Start camera.",
  AbortError: "The camera stopped working. Connect it again, then press Start camera.",
  NotFoundError: "No camera was found. Connect one, then press Start camera.",
  NotReadableError: "The camera is in use by another program. Close that program, then press Start camera.",
  OverconstrainedError: "This camera does not offer that resolution. Choose another one, then press Start camera.",
};

const views = new WeakMap(); // by root element: Streamlit may mount the component again on the same one

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".live");
  if (!views.has(root)) views.set(root, new LiveView(root));
  const view = views.get(root);
  view.freezeTo = (moment) => setTriggerValue("frozen", moment);
  view.renewToken = () => setTriggerValue("outdated", Date.now()); // runs the page again, which then calls `configure`
  view.configure(data);
  return () => {
    view.stop("");
    document.removeEventListener("visibilitychange", view.onVisibility);
  };
}

class LiveView {
  constructor(root) {
    this.root = root;
    root.replaceChildren();
    this.sent = new Map(); // frame number -> { at, capture, blob }
    this.moments = []; // the last minute: { at, number, blob, faces: Map, agreement }
    this.number = 0;
    this.panels = new Map();
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true });
    this.canvas = document.createElement("canvas");
    this.buildTools();
    this.status = append(root, "p", "status");
    this.status.setAttribute("role", "status");
    this.row = append(root, "div", "row");
    this.buildStrip();
    this.table = append(root, "div", "table");
    this.table.tabIndex = 0; // on a narrow screen it scrolls, with the keyboard too
    this.table.setAttribute("role", "region");
    this.table.ariaLabel = "Numbers of the last 60 seconds";
    this.say("Press Start camera. The video stays in this browser; single frames go to this server and are not kept.");
    this.onVisibility = () => this.visibilityChanged();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  // ---- controls

  buildTools() {
    this.tools = append(this.root, "div", "tools");
    this.startButton = this.button("Start camera", () => (this.stream ? this.stop("The camera is off.") : this.start()));
    this.startButton.classList.add("primary");
    this.freezeButton = this.button("Freeze", () => this.freeze(this.moments.at(-1)));
    this.freezeButton.title = "Open the current frame on the Detection page";
    this.cameras = this.select("Camera", [["", "Default camera"]], () => this.restart());
    this.resolutions = this.select("Resolution", Object.keys(RESOLUTIONS).map((name) => [name, name.replace("x", "×")]), () => this.restart());
    this.rates = this.select("Frame rate limit", RATES.map((rate) => [rate, `${rate} frames/s`]), () => {});
    this.rates.value = 15;
    this.mirror = this.checkbox("Mirror", true);
    this.analysed = this.checkbox("Analysed frames", false);
    this.analysed.parentElement.title =
      "Show the frames that each model has analysed, at its own rate, instead of the live video: boxes then fit exactly.";
    this.freezeButton.disabled = true;
    if (!document.fullscreenEnabled) return;
    const isFull = () => this.root.matches(":fullscreen");
    const fullScreen = this.button("Full screen", () => (isFull() ? document.exitFullscreen() : this.root.requestFullscreen()));
    this.root.onfullscreenchange = () => (fullScreen.textContent = isFull() ? "Exit full screen" : "Full screen");
  }

  button(text, action) {
    const button = append(this.tools, "button");
    button.type = "button";
    button.textContent = text;
    button.onclick = action;
    return button;
  }

  select(label, choices, action) {
    const holder = append(this.tools, "label");
    append(holder, "span").textContent = label;
    const select = append(holder, "select");
    this.fillSelect(select, choices);
    select.onchange = action;
    return select;
  }

  fillSelect(select, choices) {
    const before = select.value;
    select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
    if (choices.some(([value]) => String(value) === before)) select.value = before;
  }

  checkbox(label, checked) {
    const holder = append(this.tools, "label", "check");
    const box = append(holder, "input");
    Object.assign(box, { type: "checkbox", checked });
    append(holder, "span").textContent = label;
    return box;
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  // ---- settings from the page

  configure(data) {
    const before = this.data;
    this.data = data;
    const keys = data.models.map((model) => model.key);
    if (String(keys) !== String([...this.panels.keys()])) this.buildPanels();
    if (!this.stream) return;
    if (before?.token !== data.token) this.connect(); // the server was restarted
    else if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.settings()));
  }

  settings() {
    const { settings, models, token } = this.data;
    return { ...settings, models: models.map((model) => model.key), token };
  }

  buildPanels() {
    this.panels.clear();
    this.row.replaceChildren();
    for (const model of this.data.models) {
      const figure = append(this.row, "figure");
      figure.style.setProperty("--colour", model.colour);
      const caption = append(figure, "figcaption");
      append(caption, "b").textContent = model.name;
      const count = append(caption, "span");
      const canvas = append(figure, "canvas");
      Object.assign(canvas, { width: 640, height: 360 });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Live video with the faces found by ${model.name}`);
      this.panels.set(model.key, { model, canvas, count, result: null, arrivals: [], dropped: 0 });
    }
    this.drawTable();
  }

  // ---- camera

  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.say(
        window.isSecureContext
          ? "This browser has no camera support."
          : "Browsers allow the camera on secure pages only. Open the dashboard over https, or on localhost."
      );
      return;
    }
    const attempt = (this.attempt = (this.attempt ?? 0) + 1);
    this.say("Starting the camera.");
    const [width, height] = RESOLUTIONS[this.resolutions.value];
    const video = { width: { ideal: width }, height: { ideal: height } };
    if (this.cameras.value) video.deviceId = { exact: this.cameras.value };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (attempt !== this.attempt) return stream.getTracks().forEach((track) => track.stop());
      this.stream = stream;
    } catch (error) {
      this.say(CAMERA_ERRORS[error.name] ?? `The camera cannot be used: ${error.message}`);
      return;
    }
    this.stream.getVideoTracks()[0].onended = () => this.stop("The camera was disconnected. Connect it, then press Start camera.");
    this.video.srcObject = this.stream;
    this.video.play().catch(() => {}); // stopped again at once
    this.startButton.textContent = "Stop camera";
    this.moments = [];
    this.failures = 0;
    this.connect();
    this.listCameras();
    this.paint();
  }

  async listCameras() {
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const named = devices.map(({ deviceId, label }, index) => [deviceId, label || `Camera ${index + 1}`]);
    const current = this.stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
    this.fillSelect(this.cameras, named.length ? named : [["", "Default camera"]]);
    if (named.some(([id]) => id === current)) this.cameras.value = current;
  }

  restart() {
    if (!this.stream) return;
    this.stop("");
    this.start();
  }

  stop(reason) {
    this.attempt = (this.attempt ?? 0) + 1;
    this.stream?.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.stream = null;
    this.video.srcObject = null;
    cancelAnimationFrame(this.painting);
    this.disconnect();
    for (const panel of this.panels.values()) {
      Object.assign(panel, { result: null, bitmap: null });
      panel.canvas.width = panel.canvas.width; // clears it
    }
    this.startButton.textContent = "Start camera";
    if (reason) this.say(reason);
  }

  visibilityChanged() {
    if (!this.stream) return;
    this.stream.getTracks().forEach((track) => (track.enabled = !document.hidden));
    if (document.hidden) {
      this.disconnect(); // the server's slot is free for others
      this.say("Paused while this tab is hidden.");
    } else {
      this.connect();
      this.paint();
    }
  }

  // ---- connection

  connect() {
    this.disconnect();
    if (document.hidden) return;
    if (!this.failures) this.say("Connecting to the server.");
    const socket = new WebSocket(new URL(this.data.socket, this.base()));
    socket.onopen = () => socket.send(JSON.stringify(this.settings()));
    socket.onmessage = ({ data }) => this.received(JSON.parse(data));
    socket.onclose = ({ code }) => this.closed(socket, code);
    this.socket = socket;
  }

  base() {
    const url = new URL(document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  disconnect() {
    clearTimeout(this.retry);
    clearTimeout(this.next);
    if (this.socket) this.socket.onopen = this.socket.onclose = this.socket.onmessage = null;
    this.socket?.close();
    this.socket = null;
    this.ready = false;
    this.sent.clear();
  }

  closed(socket, code) {
    if (socket !== this.socket || !this.stream) return;
    if (code === CLOSE_NO_TOKEN) {
      const now = performance.now();
      this.outdatedSince ??= now;
      if (now - this.outdatedSince > NEW_TOKEN_MS) {
        this.outdatedSince = null;
        return this.stop("This page is out of date. Reload it, then press Start camera.");
      }
      this.reason = "The server was restarted. Connecting again.";
      this.renewToken();
    }
    if (code === CLOSE_TOO_BUSY) return this.stop("Too many live views are open. Try again in a few minutes.");
    this.failures = (this.failures ?? 0) + 1;
    this.say(this.reason ?? "The connection to the server was lost. Reconnecting.");
    this.reason = null;
    this.retry = setTimeout(() => this.connect(), RECONNECT_MS[Math.min(this.failures, RECONNECT_MS.length) - 1]);
  }

  received(message) {
    if (message.waiting) return this.say(`Other live views are running. Your place in the queue: ${message.waiting}.`);
    if (message.closing) return (this.reason = message.closing);
    if (message.ready) {
      this.ready = true;
      this.failures = 0;
      this.outdatedSince = null;
      this.say(RUNNING);
      return this.schedule();
    }
    if (message.error) return this.say(message.error);
    this.result(message);
  }

  // ---- frames out

  schedule() {
    clearTimeout(this.next);
    if (!this.stream || !this.ready || document.hidden) return;
    const due = (this.sentAt ?? 0) + 1000 / Number(this.rates.value);
    this.next = setTimeout(() => this.send().finally(() => this.schedule()), Math.max(0, due - performance.now()));
  }

  async send() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || this.socket?.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > MAX_UNSENT_BYTES) return;
    const start = (this.sentAt = performance.now());
    Object.assign(this.canvas, { width, height });
    this.canvas.getContext("2d").drawImage(this.video, 0, 0);
    const blob = await new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
    const jpeg = await blob.arrayBuffer();
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const number = ++this.number;
    const message = new Uint8Array(4 + jpeg.byteLength);
    new DataView(message.buffer).setUint32(0, number, true);
    message.set(new Uint8Array(jpeg), 4);
    const at = performance.now();
    this.sent.set(number, { at, capture: at - start, blob });
    this.socket.send(message);
    this.sent.delete(number - SENT_FRAMES);
  }

  // ---- results in

  result(message) {
    const panel = this.panels.get(message.model);
    const sent = this.sent.get(message.frame);
    if (!panel || !sent) return;
    const now = performance.now();
    const { decode, queue, preprocess, network, postprocess } = message.milliseconds;
    const server = decode + queue + preprocess + network + postprocess;
    const total = now - sent.at + sent.capture;
    this.say(RUNNING); // in place of an earlier frame's error
    this.show(panel, message, sent.blob);
    panel.dropped = message.dropped;
    panel.arrivals.push({
      at: now,
      total,
      capture: sent.capture,
      transfer: Math.max(0, total - sent.capture - server),
      queue,
      network: decode + preprocess + network + postprocess,
    });
    const faces = message.faces.scores.length;
    panel.count.textContent = faces === 1 ? "1 face" : `${faces} faces`;
    this.remember(message, sent, now, faces);
    this.freezeButton.disabled = false;
  }

  // With hidden faces, or on request, the frame that was analysed is shown: boxes and faces belong together.
  showsAnalysed() {
    return Boolean(this.data.hide) || this.analysed.checked;
  }

  async show(panel, message, blob) {
    const bitmap = this.showsAnalysed() ? await createImageBitmap(blob) : null;
    if (!this.stream || panel.result?.frame > message.frame) return bitmap?.close();
    panel.bitmap?.close();
    Object.assign(panel, { result: message, bitmap });
  }

  remember(message, sent, at, faces) {
    let moment = this.moments.findLast(({ number }) => number === message.frame);
    if (!moment) {
      const last = this.moments.at(-1);
      if (last && message.frame > last.number && at - last.at < 1000 / KEPT_PER_SECOND) return;
      moment = { at, number: message.frame, blob: sent.blob, faces: new Map() };
      this.moments.push(moment);
    }
    moment.faces.set(message.model, faces);
    if (message.agreement) moment.agreement = message.agreement;
    while (this.moments.length && at - this.moments[0].at > 1000 * HISTORY_SECONDS) this.moments.shift();
    if (this.cursor !== null) this.cursor = Math.min(this.cursor, this.moments.length - 1);
  }

  async freeze(moment) {
    if (!moment) return;
    const bytes = new Uint8Array(await moment.blob.arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    this.stop("The frame opens on the Detection page. Press Start camera to go on.");
    this.freezeTo({ jpeg: btoa(text), number: moment.number });
  }

  // ---- drawing

  paint() {
    cancelAnimationFrame(this.painting);
    if (!this.stream || document.hidden) return;
    for (const panel of this.panels.values()) this.drawPanel(panel);
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.drawnAt) {
      this.drawnAt = second;
      this.drawTable();
    }
    this.drawStrip();
    this.painting = requestAnimationFrame(() => this.paint());
  }

  drawPanel(panel) {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return;
    const { canvas, result } = panel;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(this.mirror.checked ? -1 : 1, 0, 0, 1, this.mirror.checked ? width : 0, 0);
    if (!this.showsAnalysed()) context.drawImage(this.video, 0, 0);
    else if (panel.bitmap?.width === width) context.drawImage(panel.bitmap, 0, 0);
    else context.clearRect(0, 0, width, height);
    if (this.data.hide && panel.bitmap) this.hideFaces(context, panel.bitmap);
    if (result && result.size[0] === width && result.size[1] === height) this.drawFaces(context, panel, width);
  }

  // Hides what any model found in its newest frame: a face that one of them has just missed stays hidden.
  hideFaces(context, bitmap) {
    for (const { result } of this.panels.values()) {
      for (const [x1, y1, x2, y2] of result?.faces.boxes ?? []) this.hideFace(context, bitmap, x1, y1, x2, y2);
    }
  }

  hideFace(context, bitmap, x1, y1, x2, y2) {
    const margin = 0.15;
    const [width, height] = [(x2 - x1) * (1 + 2 * margin), (y2 - y1) * (1 + 2 * margin)];
    const [left, top] = [x1 - (x2 - x1) * margin, y1 - (y2 - y1) * margin];
    const cells = 8 / Math.max(width, height);
    const small = (this.small ??= document.createElement("canvas"));
    Object.assign(small, { width: Math.max(1, Math.round(width * cells)), height: Math.max(1, Math.round(height * cells)) });
    small.getContext("2d").drawImage(bitmap, left, top, width, height, 0, 0, small.width, small.height);
    context.imageSmoothingEnabled = this.data.hide === "blur";
    context.drawImage(small, left, top, width, height);
    context.imageSmoothingEnabled = true;
  }

  drawFaces(context, { model, result }, width) {
    const line = Math.max(2, width / 320);
    for (const [index, [x1, y1, x2, y2]] of result.faces.boxes.entries()) {
      context.lineWidth = line * 1.8;
      context.strokeStyle = "rgba(255, 255, 255, 0.65)";
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
      context.lineWidth = line;
      context.strokeStyle = context.fillStyle = model.colour;
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
      const points = result.faces.landmarks[index];
      for (let i = 0; i < points.length; i += 2) {
        context.beginPath();
        context.arc(points[i], points[i + 1], line, 0, 7);
        context.fill();
      }
    }
  }

  drawTable() {
    const now = performance.now();
    const names = { total: "Latency", capture: "Capture", transfer: "Transfer", queue: "Queue", network: "Detection" };
    const rows = [...this.panels.values()].map((panel) => {
      panel.arrivals = panel.arrivals.filter(({ at }) => now - at < 1000 * HISTORY_SECONDS);
      const recent = panel.arrivals.filter(({ at }) => now - at < 5000);
      const cells = Object.keys(names).map((name) => {
        const values = panel.arrivals.map((arrival) => arrival[name]).sort((a, b) => a - b);
        return values.length ? `${quantile(values, 0.5).toFixed(0)} / ${quantile(values, 0.95).toFixed(0)}` : "–";
      });
      return [panel.model.name, (recent.length / 5).toFixed(1), ...cells, panel.dropped];
    });
    const head = ["Model", "Frames/s", ...Object.values(names).map((name) => `${name} p50 / p95 (ms)`), "Dropped frames"];
    const table = document.createElement("table");
    table.createCaption().textContent = "Speed and latency over the last 60 seconds";
    const header = table.createTHead().insertRow();
    for (const text of head) append(header, "th").textContent = text;
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      row.forEach((text, index) => {
        const cell = append(line, index ? "td" : "th");
        cell.textContent = text;
      });
    }
    this.table.replaceChildren(table);
  }

  // ---- the last minute

  buildStrip() {
    this.cursor = null;
    append(this.root, "p", "caption").textContent = "Face counts and agreement over the last 60 seconds";
    this.strip = append(this.root, "canvas", "strip");
    Object.assign(this.strip, { tabIndex: 0, height: 84 });
    this.strip.setAttribute("role", "slider");
    this.strip.setAttribute("aria-label", "Face counts and agreement over the last 60 seconds. Arrow keys choose a moment, Enter opens it.");
    this.strip.setAttribute("aria-valuemin", -HISTORY_SECONDS);
    this.strip.setAttribute("aria-valuemax", 0);
    this.strip.setAttribute("aria-valuenow", 0);
    this.strip.onclick = ({ offsetX }) => this.freeze(this.momentAt(offsetX / this.strip.clientWidth));
    this.strip.onpointermove = ({ offsetX }) => {
      this.hover = this.momentAt(offsetX / this.strip.clientWidth);
    };
    this.strip.onpointerleave = () => (this.hover = null);
    this.strip.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) this.cursor = Math.min(this.moments.length - 1, Math.max(0, (this.cursor ?? this.moments.length) + step));
      else if (event.key === "Enter" || event.key === " ") this.freeze(this.moments[this.cursor ?? this.moments.length - 1]);
      else return;
      event.preventDefault();
      this.describe(this.moments[this.cursor]);
    };
    this.strip.onblur = () => (this.cursor = null);
  }

  describe(moment) {
    if (!moment) return;
    const seconds = Math.round((moment.at - performance.now()) / 1000);
    const counts = [...this.panels.values()].map(({ model }) => `${model.short}: ${moment.faces.get(model.key) ?? "–"}`);
    const agreed = moment.agreement ? `, agreed: ${moment.agreement.both}` : "";
    this.strip.setAttribute("aria-valuenow", seconds);
    this.strip.setAttribute("aria-valuetext", `${-seconds} ${seconds === -1 ? "second" : "seconds"} ago, faces ${counts.join(", ")}${agreed}`);
    this.strip.title = this.strip.getAttribute("aria-valuetext");
  }

  momentAt(share) {
    const at = performance.now() - 1000 * HISTORY_SECONDS * (1 - share);
    const nearest = this.moments.reduce(
      (best, moment) => (!best || Math.abs(moment.at - at) < Math.abs(best.at - at) ? moment : best),
      null
    );
    this.describe(nearest);
    return nearest;
  }

  drawStrip() {
    const strip = this.strip;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [strip.clientWidth, 84];
    if (strip.width !== Math.round(width * ratio)) Object.assign(strip, { width: Math.round(width * ratio), height: height * ratio });
    const context = strip.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const now = performance.now();
    const most = Math.max(1, ...this.moments.flatMap(({ faces }) => [...faces.values()]));
    const x = ({ at }) => width * (1 - (now - at) / (1000 * HISTORY_SECONDS));
    const text = getComputedStyle(this.root).color;
    const compared = this.moments.filter(({ agreement }) => agreement);
    context.fillStyle = text;
    context.globalAlpha = 0.3;
    for (const [index, moment] of compared.entries()) {
      const { both, only } = moment.agreement;
      const all = both + Object.values(only).reduce((sum, count) => sum + count, 0);
      const share = all ? both / all : 1;
      const until = Math.min(compared[index + 1]?.at ?? now, moment.at + 1000);
      context.fillRect(x(moment), height - 14 * share, x({ at: until }) - x(moment), 14 * share);
    }
    context.globalAlpha = 1;
    let shift = 0; // equal counts stay visible side by side
    for (const { model } of this.panels.values()) {
      context.strokeStyle = model.colour;
      context.lineWidth = 2;
      context.beginPath();
      for (const moment of this.moments) {
        const faces = moment.faces.get(model.key);
        if (faces !== undefined) context.lineTo(x(moment), height - 20 + shift - ((height - 34) * faces) / most);
      }
      context.stroke();
      shift += 2.5;
    }
    context.fillStyle = text;
    context.font = "11px sans-serif";
    context.fillText(`${most} ${most === 1 ? "face" : "faces"}`, 4, 11);
    context.fillText("agreement", 4, height - 3);
    const marked = this.hover ?? (this.cursor === null ? null : this.moments[this.cursor]);
    if (marked) context.fillRect(x(marked), 0, 1, height);
  }
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function append(parent, tag, name = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  return parent.appendChild(element);
}
