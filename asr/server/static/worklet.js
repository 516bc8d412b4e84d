// Sound of a microphone in blocks of 100 ms.

class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  process([[channel]]) {
    for (let from = 0; channel && from < channel.length;) {
      const size = Math.min(channel.length - from, this.block.length - this.filled);
      this.block.set(channel.subarray(from, from + size), this.filled);
      from += size;
      this.filled += size;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
