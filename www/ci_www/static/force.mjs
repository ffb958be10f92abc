// The force form: panels become tabs; Ctrl+Enter sends. All of it works without this.
import { $, $$ } from "./base.mjs";

const form = $("[data-force]");
for (const set of $$("[data-tabs]")) {
  const panels = $$(":scope > fieldset", set);
  if (panels.length < 2) continue;
  const bar = document.createElement("div");
  bar.className = "chips";
  bar.setAttribute("role", "tablist");
  const choose = (chosen, focus) => panels.forEach((panel, i) => {
    const on = i === chosen;
    panel.hidden = !on;
    bar.children[i].setAttribute("aria-selected", on);
    bar.children[i].tabIndex = on ? 0 : -1;
    bar.children[i].classList.toggle("in", on);
    if (on && focus) bar.children[i].focus();
  });
  panels.forEach((panel, i) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.className = "chip";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.textContent = (panel.classList.contains("bad") ? "\u2717 " : "") + (panel.dataset.label || i + 1);
    tab.addEventListener("click", () => choose(i));
    
    bar.append(tab);
  });
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) choose(([...bar.children].indexOf(document.activeElement) + by + panels.length) % panels.length, true);
  });
  set.insertBefore(bar, panels[0]);
  choose(Math.max(0, panels.findIndex((panel) => panel.classList.contains("bad"))));
}
// The list of builders shrinks while a name is typed; Enter there does not start a build.
const find = $("#f-find");
function narrow() {
  const needle = find.value.trim().toLowerCase(), rows = $$(".builders details .check");
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(needle) && !$("input", row).checked;
  $("#f-found").textContent = needle ? `${rows.filter((row) => !row.hidden).length} match` : "";
}
find?.addEventListener("input", narrow);
find?.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault(); });

// What is chosen in one field fills others.
form?.addEventListener("change", (event) => {
  const from = event.target;
  if (!from.dataset.auto) return;
  const key = from.type === "checkbox" ? String(from.checked) : from.value;
  const values = JSON.parse(from.dataset.auto)[key] || {};
  for (const [name, value] of Object.entries(values)) {
    const fields = [...form.elements].filter((el) => el.type !== "hidden" && (el.name === name || el.name.endsWith(`_${name}`)));
    for (const el of fields) if (el.type === "checkbox") el.checked = !!value; else el.value = value;
  }
});
$("#problems")?.focus();
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form?.requestSubmit();
});
