// Teach a model a voice: sentences are read, the server learns, and what it brought is shown.

import { Failure, form, json, post, request } from "./api.js";
import { Microphone, level, showLevel, wav } from "./sound.js";
import { element } from "./text.js";

const QUIET = 1.2, LONGEST = 30;  // seconds: quiet after speech ends a reading
const LOUD = 12, FAINTEST = -55;  // dB above the quiet, and of full scale, at which speech begins
const GLANCE = 700;  // milliseconds

const perCent = share => `${(100 * share).toFixed(1)} %`;

/** Whether a reading is over, from the levels of its blocks of 100 ms. */
function isOver(levels) {
  const quiet = [...levels].sort((a, b) => a - b)[Math.floor(levels.length / 20)];
  const loud = levels.map(one => one > Math.max(quiet + LOUD, FAINTEST));
  const last = loud.lastIndexOf(true);
  return loud.filter(Boolean).length >= 3 && levels.length - 1 - last >= 10 * QUIET;
}

export class Lesson {
  constructor(root, about, page) {
    this.root = root;
    this.about = about;
    this.page = page;
    this.microphone = null;
    this.resume();
  }

  async resume() {
    const id = sessionStorage.getItem("lesson");
    if (this.about.teaching !== true) return this.show(element("p", "dim", this.about.teaching));
    if (id) {
      try { return this.see(await json(`page/lessons/${id}`)); } catch { sessionStorage.removeItem("lesson"); }
    }
    this.introduce();
  }

  show(...parts) { this.root.replaceChildren(...parts); }

  button(text, work, className = "") {
    const made = element("button", className, text);
    made.type = "button";
    made.addEventListener("click", async () => {
      made.disabled = true;
      try { await work(); } catch (problem) { this.complain(problem); } finally { made.disabled = false; }
    });
    return made;
  }

  complain(problem) {
    this.root.querySelector(".note.bad")?.remove();
    const note = element("div", "note bad", problem.message);
    note.setAttribute("role", "alert");
    this.root.append(note);
  }

  row(...parts) { const row = element("div", "row"); row.append(...parts.filter(Boolean)); return row; }

  introduce() {
    const more = element("details"), own = element("textarea"), label = element("label", "dim", "Sentences of your own, ten or more, one a line. They teach most when they are like what you will say.");
    own.id = "own";
    own.rows = 5;
    own.dir = "auto";
    label.htmlFor = "own";
    more.append(element("summary", "", "Read sentences of your own"), label, own);
    this.show(
      element("p", "", "Read ten sentences aloud. The model learns from most of them for some minutes. Two that it never hears show how many words it gets wrong before and after."),
      element("p", "dim", "Readings stay on the server's disk until you delete them here."),
      this.row(this.button("Begin", () => this.begin(own.value), "main")),
      more,
    );
  }

  async begin(own) {
    const sentences = own.split("\n").map(line => line.trim()).filter(Boolean);
    const lesson = await (await post("page/lessons", { model: this.page.model(), ...(sentences.length && { sentences }) })).json();
    sessionStorage.setItem("lesson", lesson.id);
    this.more = false;
    this.see(lesson);
    this.root.querySelector("button")?.focus();
  }

  /** Show where a lesson stands. */
  see(lesson) {
    this.lesson = lesson;
    clearTimeout(this.timer);
    if (lesson.stage === "learning") this.showProgress();
    else if (lesson.stage === "learnt") this.showResult();
    else this.showSentence();
    if (lesson.error) this.complain(new Failure(lesson.error));
  }

  next() { return this.lesson.sentences.findIndex((_, n) => !this.lesson.kept.includes(n)); }

  get path() { return `page/lessons/${this.lesson.id}`; }

  // ---- Reading --------------------------------------------------------------------------------

  showSentence() {
    const { kept, least, sentences } = this.lesson, number = this.next();
    const enough = kept.length >= least;
    if (enough && (!this.more || number < 0)) return this.offer(number >= 0);
    const bar = element("progress"), total = enough ? sentences.length : least;
    bar.max = total;
    bar.value = kept.length;
    bar.setAttribute("aria-label", "Sentences that are read");
    const shown = element("p", "sentence", sentences[number]);
    shown.dir = "auto";
    shown.id = "sentence";
    this.faults = element("ul", "faults");
    this.faults.hidden = true;
    this.meter = element("div", "level");
    this.meter.append(element("i"));
    for (const [name, value] of Object.entries({ role: "meter", "aria-label": "Level of the microphone", "aria-valuemin": -60, "aria-valuemax": 0, "aria-valuenow": -60 }))
      this.meter.setAttribute(name, value);
    this.read = element("button", "record");
    this.read.type = "button";
    this.read.setAttribute("aria-describedby", "sentence");
    const dot = element("i");
    dot.setAttribute("aria-hidden", "true");
    this.read.append(dot, element("span", "", "Read it"));
    this.read.addEventListener("click", () => this.toggle(number));
    this.told = element("p", "dim", "");
    this.told.setAttribute("role", "status");
    this.choices = element("div", "row");
    this.show(
      element("p", "dim", `Sentence ${kept.length + 1} of ${total}. Press, read it aloud, and wait a second.`), bar, shown, this.meter,
      this.row(this.read, enough && this.button("That is enough", () => { this.more = false; this.showSentence(); }), this.button("Delete my readings", () => this.leave(), "link")),
      this.told, this.faults, this.choices,
    );
  }

  async toggle(number) {
    if (this.isStarting) return;
    try {
      if (this.microphone) return await this.stop(number);
      if (this.page.isBusy()) throw new Failure("The microphone is in use above. Stop that recording first.");
      this.isStarting = true;
      this.root.querySelector(".note.bad")?.remove();
      this.faults.hidden = true;
      this.choices.replaceChildren();
      const levels = [];
      this.blocks = [];
      this.microphone = await Microphone.open(this.page.rate(), block => {
        this.blocks.push(block);
        levels.push(level(block));
        showLevel(this.meter, block);
        if (isOver(levels) || levels.length >= 10 * LONGEST) this.stop(number).catch(problem => this.complain(problem));
      });
      this.read.classList.add("on");
      this.read.lastElementChild.textContent = "Done";
      this.told.textContent = "Listening …";
    } catch (problem) {
      this.told.textContent = "";
      this.complain(problem);
    } finally {
      this.isStarting = false;
    }
  }

  async stop(number) {
    const microphone = this.microphone;
    if (!microphone) return;
    this.microphone = null;
    await microphone.close();
    this.read.classList.remove("on");
    this.read.lastElementChild.textContent = "Read it again";
    this.told.textContent = "";
    await this.send(number, wav(this.blocks, microphone.rate), false);
  }

  async send(number, sound, keep) {
    this.read.disabled = true;
    try {
      const found = await json(`${this.path}/readings/${number}`, { method: "POST", body: form({ file: sound, keep }) });
      if (found.kept) {
        this.see(found.lesson);
        this.root.querySelector("button")?.focus();
        return;
      }
      this.told.textContent = "Not kept yet:";
      this.faults.replaceChildren(...found.faults.map(fault => element("li", "", fault)));
      this.faults.hidden = false;
      this.choices.replaceChildren(this.button("Keep it anyway", () => this.send(number, sound, true)));
    } finally {
      this.read.disabled = false;
    }
  }

  offer(hasMore) {
    this.show(
      element("p", "", `${this.lesson.kept.length} sentences are read. Learning takes some minutes, and the page may be used meanwhile.`),
      this.row(
        this.button("Learn", async () => this.see(await json(`${this.path}/learn`, { method: "POST" })), "main"),
        hasMore && this.button("Read more", () => { this.more = true; this.showSentence(); }),
        this.button("Delete my readings", () => this.leave(), "link"),
      ),
      element("p", "dim", "More sentences teach more, and tell better what was learnt."),
    );
  }

  async leave() {
    if (this.lesson.stage !== "learnt" && this.lesson.kept.length && !confirm("Delete all that was read?")) return;
    await this.microphone?.close();
    this.microphone = null;
    await request(this.path, { method: "DELETE" });
    sessionStorage.removeItem("lesson");
    this.introduce();
  }

  // ---- Learning -------------------------------------------------------------------------------

  showProgress() {
    const { share, doing } = this.lesson;
    if (!this.root.querySelector("progress.learning")) {
      const bar = element("progress", "learning");
      bar.setAttribute("aria-label", "Learning");
      const told = element("p", "dim doing");
      this.show(element("p", "", "The model is learning. This page may be closed and opened again."), bar, told,
        this.row(this.button("Stop", async () => this.see(await json(`${this.path}/stop`, { method: "POST" })))));
    }
    this.root.querySelector("progress").value = share;
    this.root.querySelector(".doing").textContent = `${Math.round(100 * share)} %, ${doing}`;
    this.timer = setTimeout(() => this.glance(), GLANCE);
  }

  async glance() {
    try {
      this.see(await json(this.path));
      if (this.lesson.stage === "learnt") await this.page.choose(this.lesson.result.name);
    } catch (problem) {
      this.complain(problem);
      if (problem.status !== 404) this.timer = setTimeout(() => this.glance(), 5 * GLANCE);
    }
  }

  showResult() {
    const { result, model } = this.lesson, table = element("table", "figures"), body = element("tbody"), head = element("tr");
    for (const title of ["Word error rate", "before", "after", "words"]) { const cell = element("th", "", title); cell.scope = "col"; head.append(cell); }
    for (const [name, score] of [["sentences that it never heard", result.own], ["general speech", result.general]]) {
      if (!score) continue;
      const row = element("tr"), title = element("th", "", name);
      title.scope = "row";
      const cells = [score.before, score.after].map(wer => {
        const cell = element("td");
        cell.append(element("strong", "", perCent(wer.value)), element("span", "dim", ` ${perCent(wer.low)} to ${perCent(wer.high)}`));
        return cell;
      });
      row.append(title, ...cells, element("td", "", score.words));
      body.append(row);
    }
    const top = element("thead"), scroll = element("div", "scroll"), helped = result.share > 0;
    top.append(head);
    table.append(top, body);
    scroll.append(table);
    const { before, after } = result.own;
    const verdict = !helped ? "It did not help: no step from the model's weights was better on your readings." :
      after.value < before.value ? `${result.name} makes fewer errors with your voice, and is selected above.` :
      `${result.name} is selected above. On so few words it shows no gain.`;
    const keep = element("p", "dim", "To have it after the server's next start: ");
    keep.append(element("code", "", `asr serve --model ${result.name}=${result.folder}`));
    this.show(
      element("p", "", verdict), scroll,
      element("p", "dim", `By greedy decoding, without a language model; small are the 95 % intervals. Of ${model}.`), keep,
      this.row(
        this.button("Delete my readings", () => this.leave()),
        this.button("Teach again", () => { sessionStorage.removeItem("lesson"); this.introduce(); }),
      ),
    );
  }
}
