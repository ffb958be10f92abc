// The waterfall: a build outlines its changes and a change its builds; arrows and drags move.
import { $, $$ } from "./base.mjs";

function light(event) {
  const wf = event.target.closest?.(".wf");
  for (const el of $$(".wf .lit")) el.classList.remove("lit");
  const from = event.type === "mouseout" || event.type === "focusout" ? null : event.target.closest?.("[data-stamps]");
  if (!wf || !from) return;
  const stamps = new Set(from.dataset.stamps.split(" "));
  for (const el of $$("[data-stamps]", wf)) if (el !== from && el.dataset.stamps.split(" ").some((one) => stamps.has(one))) el.classList.add("lit");
}
for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(type, light);

// Drag with the main button moves the picture; a click still opens what is under it.
let held = null;
document.addEventListener("pointerdown", (event) => {
  const wf = event.target.closest(".wf");
  if (!wf || event.button || event.pointerType !== "mouse") return;
  held = { wf, x: event.clientX, y: event.clientY, left: wf.scrollLeft, top: wf.scrollTop, moved: false };
});
document.addEventListener("pointermove", (event) => {
  if (!held) return;
  const dx = event.clientX - held.x, dy = event.clientY - held.y;
  if (Math.abs(dx) + Math.abs(dy) > 6) held.moved = true;
  if (held.moved) { held.wf.scrollLeft = held.left - dx; held.wf.scrollTop = held.top - dy; }
});
document.addEventListener("pointerup", () => { setTimeout(() => { held = null; }, 0); });
document.addEventListener("click", (event) => { if (held?.moved) event.preventDefault(); }, true);
document.addEventListener("dragstart", (event) => { if (event.target.closest?.(".wf")) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  const wf = $(".wf");
  if (!wf || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const by = { ArrowUp: [0, -90], ArrowDown: [0, 90], ArrowLeft: [-140, 0], ArrowRight: [140, 0] }[event.key];
  if (!by) return;
  wf.scrollBy(...by);
  event.preventDefault();
});
