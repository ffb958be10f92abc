// The page of a build: a step is opened by its number, and a step named in the URL is shown.
import { $, $$ } from "./base.mjs";

const named = /\/steps\/(\d+)$/.exec(location.pathname);
if (named && !location.hash) $(`#step-${named[1]}`)?.scrollIntoView({ block: "center" });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (!/^[1-9]$/.test(event.key)) return;
  const step = $$("details.step")[event.key - 1];
  if (!step) return;
  step.dataset.touched = "1";
  step.open = !step.open;
  $("summary", step).focus();
});

// An opened step that has no lines shown yet: ask the server for the page with that step open.
document.addEventListener("toggle", async (event) => {
  const step = event.target;
  if (!step.matches?.("details.step") || !step.open || $(".tail", step) || !step.dataset.touched) return;
  if (!$(".step-body a", step)) return;
  const url = location.pathname.replace(/\/steps\/\d+$/, "") + `/steps/${step.id.slice(5)}?region=steps`;
  const answer = await fetch(url);
  if (!answer.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = made.getElementById(step.id);
  if (found) $(".step-body", step).replaceWith(document.importNode($(".step-body", found), true));
  for (const tail of $$("[data-stick]", step)) tail.scrollTop = tail.scrollHeight;
}, true);
