// The studio page: a form, a request, a gallery.

import { edit, generate, key, models, ServiceError } from "./service.js";
import { current, say, TEXT, write } from "./text.js";

const $ = (id) => document.getElementById(id);
const FINISHED_SIZES = ["512x512", "1024x1024", "2048x2048"]; // common in shops; finishing resamples onto any canvas
const FIELDS = ["prompt", "photo", "seed"]; // those that say beside them what is wrong
let installed = [];
let asking = null; // the AbortController of the request under way

start();

async function start() {
  for (let n = 1; n <= 10; n++) $("count").append(new Option(n, n));
  for (const [tag, text] of Object.entries(TEXT)) $("language").append(new Option(text.name, tag, false, tag === current()));
  $("language").addEventListener("change", () => translate($("language").value));
  $("ask").addEventListener("submit", make);
  $("stop").addEventListener("click", () => asking?.abort());
  $("finishing").addEventListener("change", offerSizes);
  $("model").addEventListener("change", offerSizes);
  $("photo").addEventListener("change", showPhoto);
  $("photo-remove").addEventListener("click", () => { $("photo").value = ""; showPhoto(); $("photo").focus(); });
  $("key").addEventListener("change", () => { key.set($("key").value.trim()); readModels(); });
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
  });
  $("key").value = key.get();
  translate(current());
  await readModels();
}

function translate(language) {
  write(language);
  $("prompt").placeholder = say("promptHint");
  $("examples").replaceChildren(...say("example").map((example) => {
    const button = element("button", { type: "button" }, example);
    button.addEventListener("click", () => { $("prompt").value = example; $("prompt").focus(); });
    return button;
  }));
  offerSizes();
}

async function readModels() {
  try {
    installed = await models();
    $("key-field").hidden = !key.get();
    $("model").replaceChildren(...installed.map((model) => new Option(model.id, model.id)));
    $("model-field").hidden = installed.length < 2;
    offerSizes();
  } catch (error) {
    showFault(error);
  }
}

function chosenModel() {
  return installed.find((model) => model.id === $("model").value);
}

function offerSizes() {
  const finishing = $("finishing").checked;
  $("background").disabled = !finishing;
  const model = chosenModel()?.imagegen;
  if (!model) return;
  const own = model.sizes ?? [model.size];
  const sizes = finishing ? [...new Set([...own, ...FINISHED_SIZES])] : own;
  const before = $("size").value;
  $("size").replaceChildren(
    new Option(`${say("own")} (${readable(model.size)})`, "auto"),
    ...sizes.map((size) => new Option(readable(size), size)),
  );
  if (sizes.includes(before)) $("size").value = before;
}

const chosenPhoto = () => $("photo").files[0];

function showPhoto() {
  const photo = chosenPhoto();
  hideFaults();
  URL.revokeObjectURL($("photo-shown").src);
  if (photo) $("photo-shown").src = URL.createObjectURL(photo);
  else $("photo-shown").removeAttribute("src");
  $("start").hidden = !photo;
}

const number = (value, digits) =>
  value.toLocaleString(current(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
const readable = (size) => size.replace("x", " × ");

async function make(event) {
  event.preventDefault();
  if (asking || !check()) return;
  const body = wanted();
  const photo = chosenPhoto();
  const started = performance.now();
  const seconds = () => number((performance.now() - started) / 1000, 1);
  const clock = setInterval(() => { $("clock").textContent = say("working", { seconds: seconds() }); }, 100);
  const places = [...Array(body.n)].map(place);
  asking = new AbortController();
  busy(true);
  $("gallery").prepend(...places);
  places[0].scrollIntoView({ block: "nearest" }); // on a phone the gallery is below the form
  try {
    const answer = await (photo ? edit(body, photo, asking.signal) : generate(body, asking.signal));
    answer.data.forEach((picture, i) => places[i].replaceWith(figure(picture, answer, body.prompt)));
    $("state").textContent = say("done", { count: answer.data.length, seconds: seconds() });
  } catch (error) {
    places.forEach((waiting) => waiting.remove());
    $("state").textContent = error.name === "AbortError" ? say("stopped") : "";
    if (error.name !== "AbortError") showFault(error);
  } finally {
    clearInterval(clock);
    asking = null;
    busy(false);
  }
}

function check() {
  hideFaults();
  const prompt = $("prompt").value.trim() ? "" : say("promptEmpty");
  const seed = $("seed").value.trim();
  const seedFault = seed === "" || (/^\d+$/.test(seed) && Number(seed) < 2 ** 32) ? "" : say("seedWrong");
  if (seedFault) mark("seed", seedFault);
  if (prompt) mark("prompt", prompt);
  return !prompt && !seedFault;
}

function wanted() {
  const seed = $("seed").value.trim();
  const finishing = $("finishing").checked;
  return {
    prompt: $("prompt").value.trim(),
    n: Number($("count").value),
    size: $("size").value || "auto",
    output_format: "png",
    ...($("model").value && { model: $("model").value }),
    ...(seed && { seed: Number(seed) }),
    ...(chosenPhoto() && { strength: Number($("strength").value) }),
    ...(finishing ? { background: document.querySelector("[name=background]:checked").value } : { recipe: false }),
  };
}

function busy(working) {
  $("make").setAttribute("aria-disabled", working); // not `disabled`, which would throw the focus away
  $("stop").hidden = !working;
  $("gallery").setAttribute("aria-busy", working);
  $("empty").hidden = working || $("gallery").childElementCount > 0;
  if (!working) return;
  // The running clock is for the eye; a screen reader hears "working" once and "done" once.
  const clock = element("span", { id: "clock", "aria-hidden": "true" });
  $("state").replaceChildren(element("span", { class: "visually-hidden" }, say("waitingFor")), clock);
}

/** An empty frame where a picture will be. */
function place() {
  const waiting = element("figure", { class: "picture waiting" });
  waiting.append(element("div", { class: "frame" }), element("figcaption", { class: "note" }, say("waitingFor")));
  return waiting;
}

function figure(picture, answer, prompt) {
  const details = picture.imagegen;
  const bytes = Uint8Array.from(atob(picture.b64_json), (character) => character.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: `image/${answer.output_format}` }));
  const frame = element("div", { class: answer.background === "transparent" ? "frame clear" : "frame" });
  frame.append(element("img", { src: url, alt: say("alt", { prompt }) }));

  const facts = element("dl", { class: "facts" });
  const known = { seedFact: details.seed, secondsFact: number(details.seconds, 2), sizeFact: readable(answer.size) };
  for (const [name, value] of Object.entries(known)) {
    const fact = element("div");
    fact.append(element("dt", {}, say(name)), element("dd", {}, value));
    facts.append(fact);
  }
  const list = element("ul");
  list.append(...details.warnings.map((warning) => element("li", {}, warning)));
  const warnings = element("details", { class: "warnings" });
  warnings.append(element("summary", {}, say("notes", { count: details.warnings.length })), list);

  const download = element("a", { class: "button", href: url, download: fileName(prompt, details.seed, answer.output_format) }, say("download"));
  const again = element("button", { type: "button" }, say("again"));
  again.addEventListener("click", () => {
    $("prompt").value = prompt;
    $("seed").value = details.seed;
    document.querySelector("details").open = true;
    $("seed").focus();
  });
  const actions = element("div", { class: "actions" });
  actions.append(download, again);

  const caption = element("figcaption");
  caption.append(element("p", { class: "what" }, prompt), facts, ...(details.warnings.length ? [warnings] : []), actions);
  const whole = element("figure", { class: "picture" });
  whole.append(frame, caption);
  return whole;
}

function fileName(prompt, seed, format) {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["picture"];
  return `${words.slice(0, 6).join("-").slice(0, 60)}-${seed}.${format}`;
}

/** Says what is wrong and what to do: beside the field when the service named one, above the gallery always. */
function showFault(error) {
  const fault = error instanceof ServiceError ? error : new ServiceError(0);
  const advice =
    fault.status === 0 ? say("doOffline")
    : fault.status === 401 ? say("doKey")
    : fault.status === 429 ? say("doBusy", { seconds: fault.retryAfter })
    : fault.status < 500 ? say("doRequest")
    : say("doServer");
  const detail = [fault.message, fault.status >= 500 ? fault.requestId : ""].filter(Boolean).join(" · ");
  $("fault").replaceChildren(element("strong", {}, say("failed")), element("span", {}, advice), element("span", {}, detail));
  $("fault").hidden = false;
  if (fault.status === 401) {
    $("key-field").hidden = false;
    $("key").focus();
  } else {
    const field = fault.param === "image" ? "photo" : fault.param; // as the service calls it
    if (FIELDS.includes(field)) mark(field, fault.message);
  }
}

function mark(field, message) {
  $(field).setAttribute("aria-invalid", "true");
  $(`${field}-fault`).textContent = message;
  $(`${field}-fault`).hidden = false;
  if (field === "seed") document.querySelector("details").open = true;
  $(field).focus();
}

function hideFaults() {
  $("fault").hidden = true;
  for (const field of FIELDS) {
    $(field).removeAttribute("aria-invalid");
    $(`${field}-fault`).hidden = true;
  }
}

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  return made;
}
