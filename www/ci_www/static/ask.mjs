// Questions before something is done: in a dialog over the page, which stays where it is.
import { $, $$, say, swap } from "./base.mjs";

let opener = null, dialog = null;
function close() {
  dialog?.close();
}
function shut() {
  dialog.remove();
  dialog = null;
  const again = opener?.isConnected ? opener : opener?.id && document.getElementById(opener.id);
  (again && !again.disabled ? again : $("#bulk-all") || $("#main")).focus({ preventScroll: true });
}
async function ask(href, from) {
  opener = from;
  let form = null;
  try {
    const answer = await fetch(href, { headers: { Accept: "text/html" } });
    if (answer.ok) form = $("form.ask", new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* the page below says it */ }
  if (!form) return location.assign(href);
  dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  title.textContent = form.getAttribute("aria-label");
  dialog.setAttribute("aria-label", title.textContent);
  dialog.append(title, document.importNode(form, true));
  document.body.append(dialog);
  dialog.addEventListener("close", shut);
  dialog.showModal();
  $("input[name=reason], [data-close]", dialog).focus();
}
async function send(form) {
  const problem = (text) => {
    let note = $(".error", form);
    if (!note) { note = document.createElement("p"); note.className = "error"; note.setAttribute("role", "alert"); form.append(note); }
    note.textContent = text;
    for (const button of $$("button", form)) button.disabled = false;
  };
  for (const button of $$("button", form)) button.disabled = true;
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), signal: AbortSignal.timeout(60000) });
  } catch { return problem("The master does not answer. Nothing is known of what became of it; look at the queue."); }
  const html = await answer.text();
  if (!answer.ok) return problem($("main", new DOMParser().parseFromString(html, "text/html"))?.textContent.trim() || `It answered ${answer.status}`);
  if (new URL(answer.url).pathname !== location.pathname) return location.assign(answer.url);
  swap(html);
  for (const box of $$("input[name=request]:checked")) box.checked = false;
  count();
  close();
  const told = $("#told");
  if (told) say(told.innerText);
}
document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("a[data-ask]");
  if (link) { event.preventDefault(); ask(link.href, link); return; }
  if (dialog && (event.target === dialog || event.target.closest("dialog [data-close]"))) { event.preventDefault(); close(); }
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented) return;
  if (form.id === "bulk") {
    event.preventDefault();
    ask(`${form.action}?${new URLSearchParams(new FormData(form))}`, event.submitter);
  } else if (form.closest("dialog") && form.matches(".ask")) { event.preventDefault(); send(form); }
});

// Which requests are chosen.
const boxes = () => $$("input[name=request][type=checkbox]");
function count() {
  const all = boxes(), chosen = all.filter((box) => box.checked).length, button = $("#bulk-go"), every = $("#bulk-all");
  if (!button) return;
  button.disabled = !chosen;
  $("span", button).textContent = chosen ? `Cancel ${chosen} selected` : "Cancel selected";
  if (every) { every.closest("label").hidden = false; every.checked = !!chosen && chosen === all.length; every.indeterminate = !!chosen && chosen < all.length; }
}
document.addEventListener("change", (event) => {
  if (event.target.id === "bulk-all") for (const box of boxes()) box.checked = event.target.checked;
  if (event.target.closest("#bulk-all, input[name=request]")) count();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const box = $("input[name=request]", event.target.closest("tr[data-row]") || document.createElement("p"));
  if (box) { box.checked = !box.checked; count(); }
});
document.addEventListener("swapped", count);
count();
