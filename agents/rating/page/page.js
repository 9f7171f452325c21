"use strict";
// Shows one item at a time. A rating is sent at once, and the next item comes with the answer, so
// that nothing is shown before the rating is stored. Texts are only ever set as textContent.

const query = new URLSearchParams(location.search);
const token = query.get("token"), rater = query.get("rater");
const find = (id) => document.getElementById(id);
const PAIR = [
  ["left", "A is better", "1", "ArrowLeft"], ["right", "B is better", "2", "ArrowRight"],
  ["tie", "Equal", "3", "ArrowDown"], ["skip", "Skip", "s", ""],
];
const SCALE = [...Array(11).keys()].map((n) => [n, String(n), n < 10 ? String(n) : "t", ""]);
SCALE.push(["skip", "Skip", "s", ""]);
let item = null, busy = false;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function report(text, bad) {
  find("status").textContent = text;
  find("status").className = bad ? "bad" : "";
}

function button([choice, label, key], main) {
  const made = element("button", main ? "main" : "", label);
  made.append(" ", element("kbd", "", key.toUpperCase()));
  made.dataset.choice = choice;
  made.addEventListener("click", () => rate(choice));
  return made;
}

function show(state) {
  item = state.item;
  find("progress").textContent = `${rater}: ${state.done} of ${state.total} rated`;
  find("bar").value = state.done;
  find("bar").max = state.total;
  find("item").hidden = item === null;
  find("more").hidden = false;
  find("undo").disabled = !state.can_undo;
  const question = state.is_scale ? "How good is this text, 0 to 10?" : "Which text is better?";
  find("question").textContent = item === null ? "All is rated. Thank you." : question;
  if (item === null) return;
  find("prompt").textContent = item.prompt;
  find("texts").replaceChildren(...item.texts.map((text, place) => {
    const card = document.createElement("section");
    card.append(element("p", "label", state.is_scale ? "Text" : "AB"[place]));
    const shown = element("p", "text", text);
    shown.dir = "auto";
    card.append(shown);
    return card;
  }));
  const choices = state.is_scale ? SCALE : PAIR;
  const focused = document.activeElement?.dataset.choice;
  find("choices").replaceChildren(
    ...choices.map((each, place) => button(each, !state.is_scale && place < 2)));
  // The buttons are new: without this, Tab would start from the top after each rating.
  if (focused) find("choices").querySelector(`[data-choice="${focused}"]`)?.focus();
}

async function send(path, body) {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: { "X-Token": token, "Content-Type": "application/json" },
      body: body ? JSON.stringify(body) : undefined,
    });
    const state = await answer.json();
    if (!answer.ok) return report(state.error, true);
    show(state);
    report(path === "/undo" ? "The last rating is undone." : "", false);
  } catch (error) {
    report("The server does not answer; the last choice may not be stored. Start it again and " +
      "open the address that it prints.", true);
  } finally {
    busy = false;
  }
}

function rate(choice) {
  if (item) send("/rate", { rater, item: item.numbers, choice });
}

function undo() {
  send("/undo", { rater });
}

document.addEventListener("keydown", (event) => {
  if (!rater || event.ctrlKey || event.metaKey || event.altKey) return;
  // A held key repeats: it would rate texts that were not read.
  if (event.repeat) return event.preventDefault();
  const isScale = find("choices").children.length > PAIR.length;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const chosen = (isScale ? SCALE : PAIR).find(([, , letter, arrow]) => [letter, arrow].includes(key));
  if (key === "u" || key === "Backspace") undo();
  else if (key && chosen) rate(chosen[0]);
  else return;
  event.preventDefault();
});

find("undo").addEventListener("click", undo);
if (rater) {
  send(`/state?rater=${encodeURIComponent(rater)}`, null);
} else {
  find("name-form").hidden = false;
  find("name").focus();
  find("name-form").addEventListener("submit", (event) => {
    event.preventDefault();
    query.set("rater", find("name").value.trim());
    location.search = query.toString();
  });
}
