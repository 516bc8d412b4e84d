// The page: sound comes in, text and pictures come out.

import { Failure, events, form, json, post, request } from "./api.js";
import { Picture } from "./picture.js";
import { Live, Microphone, showLevel, wav } from "./sound.js";
import { Lesson } from "./teach.js";
import { Text } from "./text.js";

const byId = id => document.getElementById(id);
const [model, record, file, drop, level, status, error, result, player] =
  ["model", "record", "file", "drop", "level", "status", "error", "result", "player"].map(byId);

let about = null;        // what the server has
let recording = null;    // what is shown: name, sound, duration
let work = new AbortController();  // of what is shown
let microphone = null, stopAt = null, isStarting = false, isLooking = false;

const text = new Text(byId("text"), word => playFrom(word.start, word.end));
const picture = new Picture(time => playFrom(time));

// ---- What is told -----------------------------------------------------------------------------

function say(line) { status.textContent = line; }

function complain(problem) {
  if (problem?.name === "AbortError") return;
  say("");
  byId("unplayable").hidden = true;
  error.textContent = problem.message || String(problem);
  error.hidden = false;
}

function quiet() { error.hidden = true; error.textContent = ""; }

const lines = id => byId(id).value.split("\n").map(line => line.trim()).filter(Boolean);

const length = seconds => seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

/** What is listened for: commands, or text with hot words. */
function wanted() {
  const commands = lines("commands");
  return { commands, hotwords: commands.length ? [] : lines("hotwords") };
}

function saysWhatItListensFor() {
  const hotwords = wanted().hotwords.length, commands = wanted().commands.length;
  const parts = [hotwords && `${hotwords} hot word${hotwords > 1 ? "s" : ""}`, commands && `${commands} command line${commands > 1 ? "s" : ""}`];
  byId("hints").firstElementChild.textContent = ["Hot words and commands", parts.filter(Boolean).join(", ")].filter(Boolean).join(": ");
}

// ---- A recording ------------------------------------------------------------------------------

/** Show a recording, without its text. */
function begin(name, sound) {
  work.abort();
  work = new AbortController();
  stopAt = null;
  recording = { name, sound, duration: 0 };
  text.clear();
  picture.clear();
  quiet();
  if (player.src) URL.revokeObjectURL(player.src);
  for (const id of ["downloads", "legend", "unplayable", "earlier", "later"]) byId(id).hidden = true;
  byId("name").textContent = name;
  result.hidden = false;
  player.hidden = !sound;
  byId("inside").hidden = true;
  byId("again").hidden = !sound;
  if (sound) player.src = URL.createObjectURL(sound);
}

/** Read a recording that is there. */
async function read(name, sound) {
  begin(name, sound);
  const { signal } = work;
  if (!sound.size) return complain(new Failure("This file is empty. Choose another one."));
  say("Reading …");
  look(0);
  try {
    const { hotwords, commands } = wanted();
    const body = form({
      file: sound, model: model.value, stream: "true", unsure: "mark",
      "timestamp_granularities[]": "word", "keywords[]": hotwords, "commands[]": commands,
    });
    for await (const event of events(await request("v1/audio/transcriptions", { method: "POST", body, signal }))) {
      if (event.words) text.add(event);
      else finish(event.usage.seconds, event.warnings);
    }
  } catch (problem) {
    if (!signal.aborted) complain(problem);
  }
}

/** The text is complete. */
function finish(duration, warnings = []) {
  recording.duration = Number.isFinite(player.duration) ? player.duration : duration;
  const count = text.counted.length, some = count > 0;
  byId("downloads").hidden = !some;
  byId("legend").hidden = !text.words.length;
  const silent = wanted().commands.length ? "None of the commands was heard." : "No speech was found. Is the recording silent, very quiet, or in another language?";
  say([some ? `${count} word${count > 1 ? "s" : ""} in ${length(duration)}.` : silent, ...warnings].join(" "));
}

/** Show the stretch of the picture that begins at a time. */
async function look(start) {
  const { signal } = work, shown = recording;
  isLooking = true;
  for (const id of ["earlier", "later"]) byId(id).disabled = true;
  try {
    const stretch = await json("page/frames", { method: "POST", signal, body: form({ file: shown.sound, model: model.value, start }) });
    if (signal.aborted) return;
    byId("inside").hidden = false;
    picture.show(stretch);
    byId("earlier").hidden = stretch.start <= 0;
    byId("later").hidden = !stretch.more;
    picture.mark(player.currentTime);
  } catch (problem) {
    if (!signal.aborted && error.hidden) complain(problem);
  } finally {
    isLooking = false;
    for (const id of ["earlier", "later"]) byId(id).disabled = false;
  }
}

// ---- Playing ----------------------------------------------------------------------------------

/** Show a time in the picture, in another stretch if need be. */
function see(time) {
  const { stretch } = about;
  if (picture.shown && !picture.has(time) && !isLooking && time < recording.duration) look(stretch * Math.floor(time / stretch));
  picture.mark(time);
}

function playFrom(start, end = null) {
  if (!recording?.sound || player.error) return;
  stopAt = end;
  player.currentTime = start;
  see(start);
  player.play().catch(() => {});
}

function follow() {
  if (stopAt !== null && player.currentTime >= stopAt) { player.pause(); stopAt = null; }
  text.mark(player.currentTime);
  see(player.currentTime);
  if (!player.paused) requestAnimationFrame(follow);
}

player.addEventListener("play", () => requestAnimationFrame(follow));
player.addEventListener("seeked", follow);
player.addEventListener("pause", () => { stopAt = null; });
player.addEventListener("error", () => { if (recording?.sound) { player.hidden = true; byId("unplayable").hidden = !error.hidden; } });

// ---- The microphone ---------------------------------------------------------------------------

async function start() {
  const { hotwords, commands } = wanted();
  const config = { model: model.value, phrase_list: hotwords, commands, unsure: "mark" };
  const blocks = [];
  let live = null;
  player.pause();
  await ready();  // also asks for a token
  begin("Recording", null);
  const { signal } = work;
  const rate = about.models.find(one => one.id === model.value).sample_rate;
  microphone = await Microphone.open(rate, block => {
    blocks.push(block);
    showLevel(level, block);
    live?.send(block);
  });
  microphone.blocks = blocks;
  live = microphone.live = new Live({ ...config, sample_rate: microphone.rate }, {
    partial: now => { if (!signal.aborted) text.showPartial(now); },
    final: words => { if (!signal.aborted) text.add({ words: words.map(word => ({ ...word, confidence: word.conf })) }); },
    broken: why => { if (!signal.aborted) complain(new Failure(`No live text: ${why}. The recording goes on, and is read at its end.`)); },
    behind: is => { if (!signal.aborted && microphone) say(is ? "Listening … the server is behind." : "Listening …"); },
  });
  for (const block of blocks) live.send(block);  // which came before
  say("Listening …");
}

async function stop() {
  const { blocks, live, rate } = microphone, { signal } = work;
  await microphone.close();
  microphone = null;
  level.hidden = true;
  if (!blocks.length) return say("Nothing was recorded.");
  say("Reading the rest …");
  await live.finish();
  if (signal.aborted) return;
  const name = `Recording ${new Date().toLocaleTimeString()}`, sound = wav(blocks, rate);
  if (live.isBroken) return read(name, sound);
  const { segments } = text;
  begin(name, sound);
  segments.forEach(segment => text.add(segment));
  finish(blocks.reduce((sum, block) => sum + block.length, 0) / rate);
  look(0);
}

async function toggle() {
  if (isStarting) return;
  isStarting = true;
  const isNew = !microphone;
  try {
    await (isNew ? start() : stop());
  } catch (problem) {
    if (isNew) result.hidden = true;
    complain(problem);
  } finally {
    isStarting = false;
    record.classList.toggle("on", Boolean(microphone));
    record.lastElementChild.textContent = microphone ? "Stop" : "Record";
  }
}

record.addEventListener("click", toggle);

// ---- Files ------------------------------------------------------------------------------------

async function take(files) {
  if (!files.length) return;
  if (microphone) await toggle();
  read(files[0].name, files[0]);
}

byId("choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => { take([...file.files]); file.value = ""; });
for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]])
  document.addEventListener(name, event => { event.preventDefault(); drop.classList.toggle("over", over); });
document.addEventListener("drop", event => take([...event.dataTransfer.files]));
byId("again").addEventListener("click", () => recording?.sound && read(recording.name, recording.sound));
byId("earlier").addEventListener("click", () => look(Math.max(0, picture.shown.start - about.stretch)));
byId("later").addEventListener("click", () => look(picture.end));
for (const id of ["hotwords", "commands"]) byId(id).addEventListener("input", saysWhatItListensFor);

byId("downloads").addEventListener("click", async event => {
  const { form } = event.target.dataset;
  if (!form) return;
  try {
    quiet();
    const body = { form, duration: recording.duration, segments: text.told };
    const link = document.createElement("a");
    const url = link.href = URL.createObjectURL(await (await post("page/render", body)).blob());
    link.download = `${recording.name.replace(/\.\w+$/, "").replace(/[\\/:*?"<>|]+/g, "-") || "text"}.${form}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (problem) {
    complain(problem);
  }
});

// ---- The server -------------------------------------------------------------------------------

async function ready() { about ??= await list(); }

/** See what the server has; `chosen` is the model to select. */
async function list(chosen = model.value) {
  about = await json("page/about");
  model.replaceChildren(...about.models.map(({ id }) => new Option(id, id, false, id === chosen)));
  return about;
}

try {
  await ready();
  byId("teach").hidden = false;
  new Lesson(byId("lesson"), about, { model: () => model.value, rate: () => about.models.find(one => one.id === model.value).sample_rate, choose: list, isBusy: () => Boolean(microphone) });
} catch (problem) {
  complain(problem);
}
document.documentElement.dataset.ready = "";
