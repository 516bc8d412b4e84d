// Requests to the server, its errors in words, and the token.

const REMEDIES = {
  404: "Reload the page: the server may have been started again.",
  408: "The connection is slow or broke off; try again.",
  415: "Choose a recording: WAV, FLAC, MP3, Ogg, M4A, or a video with sound.",
  500: "Try again; if it stays, tell whoever runs the server.",
  503: "The server is busy; try again in a while.",
};
const OFFLINE = "The server does not answer. Is asr serve still running? Then try again.";

/** What went wrong, with what to do. */
export class Failure extends Error {
  constructor(message, status = 0) { super(message); this.status = status; }
}

export let token = sessionStorage.getItem("token") ?? "";

function ask() {
  const dialog = document.getElementById("asking"), field = document.getElementById("token");
  return new Promise(resolve => {
    field.value = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" ? field.value.trim() : "";
      if (given) sessionStorage.setItem("token", token = given);
      resolve(Boolean(given));
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
}

let asking = null;

function sentence(text) {
  const clean = String(text).trim();
  return clean[0].toUpperCase() + clean.slice(1) + (/[.!?]$/.test(clean) ? "" : ".");
}

/** What an error of the API says, and what to do. */
export function described(status, body, retryAfter) {
  const said = body?.error?.message || "It failed";
  const remedy = status === 429 ? `Try again in ${retryAfter || "a few"} seconds.` : REMEDIES[status];
  return new Failure([sentence(said), remedy].filter(Boolean).join(" "), status);
}

/** Ask the server; a token that it wants is asked for. Throws a Failure. */
export async function request(path, options = {}) {
  for (;;) {
    let answer;
    const sent = token;
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...(sent && { Authorization: `Bearer ${sent}` }) } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(OFFLINE);
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      if (sent !== token || await (asking ??= ask().finally(() => asking = null))) continue;
      throw new Failure("This server asks for a token, and there is none. Do it again to enter one.", 401);
    }
    throw described(answer.status, await answer.json().catch(() => null), answer.headers.get("Retry-After"));
  }
}

export const json = async (path, options) => (await request(path, options)).json();

/** Send an object as JSON. */
export const post = (path, body, method = "POST") =>
  request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Fields of a form; those that are lists are repeated. */
export function form(fields) {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) made.append(name, one);
  return made;
}

/** The events of an answer as they come. */
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const event = JSON.parse(part.replace(/^data: /, ""));
        if (event.type === "error") throw described(0, event);
        yield event;
      }
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Failure) throw error;
    throw new Failure("The connection broke off before the end of the text. " + OFFLINE);
  }
}
