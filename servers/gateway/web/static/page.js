// Two things need JavaScript: a run's page that follows the run, and a verdict without loading the page anew. Both take
// parts of pages that the server made and escaped; no text of a run becomes markup here.
"use strict";

const POLL_MS = 2000;

async function part(response, id) {
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.getElementById(id);
}

function replace(old, fresh) {
  if (old && fresh) old.replaceWith(document.adoptNode(fresh));
}

async function follow() {
  const live = document.getElementById("live");
  if (!live || document.hidden) return;
  const twin = await fetch(live.dataset.live, { cache: "no-store" });
  if (!twin.ok) return;
  const run = await twin.json();
  if (run.revision === live.dataset.revision) return;
  const page = await fetch(location.pathname, { cache: "no-store" });
  if (!page.ok) return;
  replace(live, await part(page, "live"));
  const news = document.getElementById("news");
  const last = run.training.at(-1);
  if (news && last) news.textContent = `${last.stage}: step ${last.step}`;
}

async function followForever() {
  try {
    await follow();
  } catch (error) {
    console.warn("the run could not be followed; it is tried again", error);
  }
  setTimeout(followForever, POLL_MS);
}

async function ask(event) {
  const form = event.target;
  if (!form.matches("[data-try]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const tried = document.getElementById("tried");
  button.disabled = true;
  tried.textContent = "Asking the server …";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const said = await part(answer, "tried");
    if (said) tried.replaceChildren(...said.childNodes);
    else tried.textContent = `No verdict: the gateway answered ${answer.status}.`;
  } catch (error) {
    tried.textContent = `No verdict: the gateway gave no answer (${error.message}).`;
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", ask);
if (document.getElementById("live")) setTimeout(followForever, POLL_MS);
