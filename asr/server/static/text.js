// Timed words that play their sound; how sure the model is shows as shade and line.

export const clock = seconds =>
  `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

export function element(name, className = "", text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const SURE = .8, UNSURE = .5;

/** Text on the page. One word can be reached with Tab, the others with the arrow keys. */
export class Text {
  constructor(root, play) {
    this.root = root;
    this.play = play;
    root.addEventListener("keydown", event => this.move(event));
    this.clear();
  }

  clear() {
    this.root.replaceChildren();
    this.segments = [];
    this.words = [];
    this.partial = null;
    this.current = null;
  }

  /** Add a segment: its words, and its command if it is one. */
  add(segment) {
    this.showPartial("");
    if (!segment.words.length) return;
    this.segments.push(segment);
    const line = element("p");
    line.dir = "auto";
    for (const word of segment.words) line.append(this.button(word), " ");
    const { name = "", slots = {} } = segment.command ?? {};
    const meaning = [name, ...Object.entries(slots).map(([slot, value]) => `${slot} = ${value}`)].filter(Boolean).join(", ");
    if (meaning) line.append(element("span", "command", meaning));
    this.root.append(line);
  }

  button(word) {
    const made = element("button", "word", word.word), sure = `${Math.round(100 * word.confidence)} % sure`;
    made.type = "button";
    made.tabIndex = this.words.length ? -1 : 0;
    made.title = `${sure}, at ${clock(word.start)}`;
    if (word.low || word.confidence < SURE) {
      made.classList.add(word.low ? "least" : word.confidence < UNSURE ? "lower" : "low");
      made.setAttribute("aria-label", `${word.word}, ${sure}`);
    }
    made.addEventListener("click", () => { this.focus(made); this.play(word); });
    this.words.push({ ...word, made });
    return made;
  }

  /** Words that count. */
  get counted() { return this.words.filter(word => !word.low); }

  /** Segments with the words that count. */
  get told() {
    return this.segments.map(segment => ({ words: segment.words.filter(word => !word.low) })).filter(segment => segment.words.length);
  }

  /** Show what is being said. */
  showPartial(text) {
    if (!text) { this.partial?.remove(); this.partial = null; return; }
    if (!this.partial) {
      this.partial = element("p", "partial");
      this.partial.dir = "auto";
      this.root.append(this.partial);
    }
    this.partial.textContent = text;
  }

  /** Mark the word that is heard at a time. */
  mark(time) {
    let low = 0, high = this.words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].start <= time) low = middle + 1; else high = middle;
    }
    const word = this.words[low - 1], now = word && time < word.end ? word.made : null;
    if (now === this.current) return;
    this.current?.classList.remove("now");
    now?.classList.add("now");
    this.current = now;
  }

  focus(button) {
    for (const { made } of this.words) made.tabIndex = made === button ? 0 : -1;
    button.focus();
  }

  move(event) {
    const here = this.words.findIndex(({ made }) => made === document.activeElement);
    if (here < 0) return;
    const forward = getComputedStyle(document.activeElement.closest("p")).direction === "rtl" ? -1 : 1;
    const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1, Home: -here, End: this.words.length };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.focus(this.words[Math.max(0, Math.min(this.words.length - 1, here + steps[event.key]))].made);
  }
}
