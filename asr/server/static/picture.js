// A stretch of a recording as the model has it: waveform, log-mel frames, token probabilities.

import { clock, element } from "./text.js";

const SCALE = 90;  // pixels a second
const ROWS = { axis: [0, 20], wave: [24, 56], mel: [88, 120], labels: [228, 34], spikes: [264, 80] };  // from, height
const HEIGHT = 358;
const LABELLED = .3, TOLD = .01;

const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

function ramp(colours) {
  const parts = colours.map(colour => colour.match(/\w\w/g).map(pair => parseInt(pair, 16)));
  return Array.from({ length: 256 }, (_, n) => {
    const place = n / 255 * (parts.length - 1), first = Math.min(parts.length - 2, Math.floor(place)), share = place - first;
    return parts[first].map((value, k) => value + share * (parts[first + 1][k] - value));
  });
}

export class Picture {
  /** `seek` is called with the time of a click. */
  constructor(seek) {
    [this.strip, this.canvas, this.head, this.told, this.table] =
      ["strip", "canvas", "head", "frame", "table"].map(id => document.getElementById(id));
    this.seek = seek;
    this.shown = null;
    this.strip.addEventListener("pointermove", event => this.tell(this.frameAt(event)));
    this.strip.addEventListener("click", event => { if (this.shown) this.seek(this.timeOf(this.tell(this.frameAt(event)))); });
    this.strip.addEventListener("keydown", event => this.move(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    this.shown = null;
    this.canvas.width = this.canvas.height = 0;
    this.head.hidden = true;
    this.told.textContent = "";
    this.table.replaceChildren();
  }

  /** Show what the server tells of a stretch. */
  show(stretch) {
    this.shown = { ...stretch, peaks: bytes(stretch.peaks), mel: bytes(stretch.log_mel) };
    this.cursor = 0;
    this.strip.scrollLeft = 0;
    this.told.textContent = stretch.frames.length ? "" : "Too short for a frame.";
    this.spikes = this.found();
    this.draw();
    this.list();
  }

  get end() { return this.shown ? this.shown.start + this.shown.duration : 0; }

  has(time) { return Boolean(this.shown) && time >= this.shown.start && time < this.end; }

  /** Where a token begins to be the most probable: the summit of each run of it. */
  found() {
    const spikes = [];
    let last = null;
    this.shown.frames.forEach((frame, n) => {
      const [token, probability] = frame[0] ?? [null, 0];
      const best = probability >= LABELLED ? token : null;
      if (best !== null && best === last) {
        const spike = spikes.at(-1);
        if (probability > spike.probability) Object.assign(spike, { n, probability });
        spike.rest = spike.n === n ? frame.slice(1) : spike.rest;
      } else if (best !== null) spikes.push({ n, token, probability, rest: frame.slice(1) });
      last = best;
    });
    return spikes;
  }

  draw() {
    if (!this.shown) return;
    const { duration, frames, blank, frame: step } = this.shown, ratio = devicePixelRatio || 1;
    const width = Math.max(Math.ceil(duration * SCALE), this.strip.clientWidth);
    this.canvas.width = width * ratio;
    this.canvas.height = HEIGHT * ratio;
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${HEIGHT}px` });
    const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue(`--${name}`).trim();
    const draw = this.canvas.getContext("2d");
    draw.scale(ratio, ratio);
    draw.font = "12px system-ui, sans-serif";
    this.drawAxis(draw, colour, width);
    this.drawWave(draw, colour);
    this.drawMel(draw, colour);
    const [top, height] = ROWS.spikes, wide = step * SCALE;
    draw.strokeStyle = colour("line");
    draw.strokeRect(0, top + height + .5, width, 0);
    draw.beginPath();
    draw.strokeStyle = colour("edge");
    blank.forEach((p, n) => draw[n ? "lineTo" : "moveTo"]((n + .5) * wide, top + height * (1 - p)));
    draw.stroke();
    draw.fillStyle = colour("accent");
    frames.forEach((frame, n) => {
      [...frame].reverse().forEach(([, p], k) => {
        draw.globalAlpha = k === frame.length - 1 ? 1 : .35;
        draw.fillRect(n * wide + wide * .1, top + height * (1 - p), Math.max(1.5, wide * .8), height * p);
      });
    });
    draw.globalAlpha = 1;
    this.drawLabels(draw, colour, wide);
  }

  drawAxis(draw, colour, width) {
    draw.fillStyle = colour("dim");
    for (let second = Math.ceil(this.shown.start); second < this.shown.start + width / SCALE; second++) {
      const x = (second - this.shown.start) * SCALE;
      draw.fillRect(x, 14, 1, 5);
      if (x + 36 < width) draw.fillText(`${Math.floor(second / 60)}:${String(second % 60).padStart(2, "0")}`, x + 4, 15);
    }
  }

  drawWave(draw, colour) {
    const [top, height] = ROWS.wave, { peaks, hop } = this.shown, middle = top + height / 2;
    const most = Math.max(16, ...peaks);  // quiet recordings are drawn larger
    draw.fillStyle = colour("edge");
    peaks.forEach((peak, n) => {
      const half = Math.max(.5, peak / most * height / 2);
      draw.fillRect(n * hop * SCALE, middle - half, Math.max(.6, hop * SCALE), 2 * half);
    });
  }

  drawMel(draw, colour) {
    const { mel, mels, hop } = this.shown, count = mel.length / mels, [top, height] = ROWS.mel;
    if (!count) return;
    const tones = ramp([colour("card"), colour("accent"), colour("text")].map(c => c.length === 4 ? c.replace(/\w/g, "$&$&") : c));
    const image = new ImageData(count, mels);
    for (let n = 0; n < count; n++) for (let m = 0; m < mels; m++)
      image.data.set([...tones[mel[n * mels + m]], 255], 4 * ((mels - 1 - m) * count + n));
    const small = new OffscreenCanvas(count, mels);
    small.getContext("2d").putImageData(image, 0, 0);
    draw.drawImage(small, 0, top, count * hop * SCALE, height);
  }

  drawLabels(draw, colour, wide) {
    const ends = [-9, -9], [top] = ROWS.labels;
    draw.fillStyle = colour("text");
    for (const { n, token } of this.spikes) {
      const text = this.shown.tokens[token], size = draw.measureText(text).width, x = Math.max(0, (n + .5) * wide - size / 2);
      const row = ends.findIndex(end => end + 3 < x);
      if (row < 0) continue;
      ends[row] = x + size;
      draw.fillText(text, x, top + 28 - 15 * row);
    }
  }

  list() {
    const head = element("tr"), body = element("tbody");
    for (const title of ["time", "token", "probability", "next best"]) { const cell = element("th", "", title); cell.scope = "col"; head.append(cell); }
    const first = element("thead");
    first.append(head);
    for (const spike of this.spikes) {
      const row = element("tr"), next = spike.rest[0];
      const cells = [clock(this.timeOf(spike.n)), this.shown.tokens[spike.token], spike.probability.toFixed(2), next ? `${this.shown.tokens[next[0]]} ${next[1].toFixed(2)}` : ""];
      cells.forEach((text, n) => { const cell = element("td", "", text); if (n % 2) cell.dir = "auto"; row.append(cell); });
      body.append(row);
    }
    this.table.replaceChildren(first, body);
  }

  timeOf(n) { return this.shown.start + n * this.shown.frame; }

  frameAt(event) {
    const x = event.clientX - this.strip.getBoundingClientRect().left + this.strip.scrollLeft;
    return this.shown ? Math.floor(x / SCALE / this.shown.frame) : 0;
  }

  /** Say what the model finds in a frame, and give its number. */
  tell(n) {
    if (!this.shown?.frames.length) return 0;
    this.cursor = Math.max(0, Math.min(this.shown.frames.length - 1, n));
    const tokens = this.shown.frames[this.cursor].filter(([, p]) => p >= TOLD).map(([token, p]) => `${this.shown.tokens[token]} ${p.toFixed(2)}`);
    this.told.textContent = [clock(this.timeOf(this.cursor)), ...tokens, `blank ${this.shown.blank[this.cursor].toFixed(2)}`].join("  ·  ");
    return this.cursor;
  }

  move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -1e9, End: 1e9 };
    if (!this.shown || !(event.key in steps || event.key === "Enter") || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (event.key === "Enter") { this.seek(this.timeOf(this.cursor)); return; }
    const jump = event.ctrlKey ? Math.round(1 / this.shown.frame) : 1;
    this.tell(this.cursor + jump * steps[event.key]);
    this.mark(this.timeOf(this.cursor));
  }

  /** Show where a time is. */
  mark(time) {
    this.head.hidden = !this.has(time);
    if (this.head.hidden) return;
    const x = (time - this.shown.start) * SCALE, { scrollLeft, clientWidth } = this.strip;
    this.head.style.transform = `translateX(${x}px)`;
    if (x < scrollLeft || x > scrollLeft + clientWidth - 20) this.strip.scrollLeft = x - 40;
  }
}
