// The microphone, live text, and recordings in memory.

import { token } from "./api.js";

const decibels = power => 10 * Math.log10(Math.max(power, 1e-6));

/** The level of a block in dB of full scale, -60 to 0. */
export const level = block => decibels(block.reduce((sum, x) => sum + x * x, 0) / Math.max(1, block.length));

/** Show a level on a meter. */
export function showLevel(meter, block) {
  const now = level(block), peak = block.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  meter.hidden = false;
  meter.setAttribute("aria-valuenow", Math.round(now));
  meter.setAttribute("aria-valuetext", peak > .98 ? "too loud" : `${Math.round(now)} decibels`);
  meter.classList.toggle("loud", peak > .98);
  meter.firstElementChild.style.width = `${100 * (now + 60) / 60}%`;
}

const WHY = {
  NotAllowedError: "The browser may not use the microphone. Allow it at the address bar, and try again.",
  NotFoundError: "There is no microphone. Connect one, or choose a file.",
  NotReadableError: "Another program holds the microphone. Close it, and try again.",
};

/** A microphone that is open; `heard` is given blocks of 100 ms. */
export class Microphone {
  static async open(rate, heard) {
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error("Browsers give the microphone to pages on localhost or https alone. Open this page so, or choose a file.");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    } catch (error) {
      throw new Error(WHY[error.name] ?? `The microphone cannot be opened (${error.message}).`);
    }
    const made = new Microphone();
    made.stream = stream;
    try {
      try {
        made.context = new AudioContext({ sampleRate: rate });
        made.source = made.context.createMediaStreamSource(stream);
      } catch {  // this browser does not resample; the server does
        await made.context?.close();
        made.context = new AudioContext();
        made.source = made.context.createMediaStreamSource(stream);
      }
      await made.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      made.node = new AudioWorkletNode(made.context, "blocks", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
      made.node.port.onmessage = event => heard(event.data);
      made.source.connect(made.node);
      await made.context.resume();
    } catch (error) {
      await made.close();
      throw error;
    }
    return made;
  }

  get rate() { return this.context.sampleRate; }

  async close() {
    if (this.node) this.node.port.onmessage = null;
    for (const track of this.stream.getTracks()) track.stop();
    if (this.context?.state !== "closed") await this.context?.close();
  }
}

/** Samples of +-1 to 16 bits. */
export function pcm(block) {
  const made = new DataView(new ArrayBuffer(2 * block.length));
  block.forEach((x, n) => made.setInt16(2 * n, Math.round(32767 * Math.max(-1, Math.min(1, x))), true));
  return made.buffer;
}

/** Blocks of samples as a WAV file. */
export function wav(blocks, rate) {
  const parts = blocks.map(pcm), size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const name = (at, text) => [...text].forEach((letter, n) => head.setUint8(at + n, letter.charCodeAt(0)));
  name(0, "RIFF"); head.setUint32(4, 36 + size, true); name(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  name(36, "data"); head.setUint32(40, size, true);
  return new Blob([head, ...parts], { type: "audio/wav" });
}

const BEHIND = 30;  // blocks without an answer

/** Live text: sound goes out, and partial and final text come in. */
export class Live {
  constructor(config, { partial, final, broken, behind }) {
    const url = new URL(".", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const key = encodeURIComponent(token).replace(/[()]/g, letter => `%${letter.charCodeAt(0).toString(16)}`);
    this.socket = new WebSocket(url, token ? ["vosk", `openai-insecure-api-key.${key}`] : ["vosk"]);
    this.socket.binaryType = "arraybuffer";
    this.waiting = [JSON.stringify({ config })];
    this.unanswered = 0;
    this.isOver = this.isBroken = false;
    this.over = new Promise(resolve => this.end = resolve);
    this.socket.onopen = () => { this.waiting.forEach(message => this.socket.send(message)); this.waiting = []; };
    this.socket.onmessage = event => {
      const told = JSON.parse(event.data);
      this.unanswered -= 1;
      behind(this.unanswered > BEHIND);
      if (told.error !== undefined) this.fail(broken, told.error);
      else if (told.partial !== undefined) partial(told.partial);
      else final(told.result ?? []);
    };
    this.socket.onclose = event => {
      if (!(this.isOver && event.code === 1000)) this.fail(broken, event.reason || "the connection broke off");
      this.end();
    };
  }

  fail(broken, why) {
    if (!this.isBroken) broken(why);
    this.isBroken = true;
  }

  put(message) {
    if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(message);
    else if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
  }

  send(block) { this.unanswered += 1; this.put(pcm(block)); }

  /** Wait for the rest of the text. */
  finish() { this.isOver = true; this.put('{"eof": 1}'); return this.over; }
}
