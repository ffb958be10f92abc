// What is wrong with the page as it stands: run as the body of a function, gives a list of texts.
// What lies in a box that scrolls can be reached, and is looked at only for what cuts it. A title on
// an element or around it says what an ellipsis cuts. The argument is the width of the window: a
// phone shows a page that is too wide in a window that is as wide as that.
const WIDE = arguments[0];
const found = [], wide = document.documentElement.scrollWidth;
if (wide > WIDE) found.push(`the page is ${wide} px wide`);
const name = (el) => `<${el.localName} class="${el.getAttribute('class') || ''}"> ` +
  (el.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 60);
const scrolls = (el) => /auto|scroll|hidden|clip/.test(getComputedStyle(el).overflowX) && el !== document.body;
const scroller = (el) => { for (let up = el.parentElement; up; up = up.parentElement) if (scrolls(up)) return up; return null; };
const unseen = (el) => el.closest('.vh, .skip, [hidden], .sprite, #say') || !el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) ||
  getComputedStyle(el).clipPath !== 'none';
const hiddenAway = (el) => { for (let up = el; up; up = up.parentElement) if (getComputedStyle(up).clipPath !== 'none') return true; return false; };
for (const el of document.querySelectorAll('main *, header *, footer *')) {
  if (el.closest('svg, datalist, select, option') || unseen(el) || hiddenAway(el)) continue;
  const style = getComputedStyle(el), box = el.getBoundingClientRect();
  if (!box.width || !box.height) continue;
  const text = [...el.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim());
  const at = scroller(el);
  if (/^(a|button|input|select|textarea|summary)$/.test(el.localName) && !at && (box.right > WIDE + 1 || box.left < -1))
    found.push(`outside the window: ${name(el)}`);
  if (text && !at && (box.right > WIDE + 1) && style.overflowX === 'visible') found.push(`text outside the window: ${name(el)}`);
  if (el.localName === 'input' || el.localName === 'textarea') continue;
  if (el.matches('.scroll') && el.scrollWidth > el.clientWidth + 1) found.push(`scrolls sideways: ${el.scrollWidth} of ${el.clientWidth} px`);
  const clips = /hidden|clip/.test(style.overflowX);
  if (clips && el.scrollWidth > el.clientWidth + 1) {
    const full = el.closest('[title]') || el.querySelector('[title]');
    if (style.textOverflow !== 'ellipsis') found.push(`cut without an ellipsis: ${name(el)}`);
    else if (!full) found.push(`cut without its whole text in a title: ${name(el)}`);
  }
  if (/hidden|clip/.test(style.overflowY) && el.scrollHeight > el.clientHeight + 3 && style.webkitLineClamp === 'none') found.push(`cut at its foot: ${name(el)}`);
  if (text && /^#\d+$/.test(el.textContent.trim())) {
    const range = document.createRange(); range.selectNodeContents(el);
    if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) found.push(`on more than one line: ${name(el)}`);
  }
  if (text && el.textContent.trim().length > 4 && box.width < 24 && box.height > 60) found.push(`set vertically: ${name(el)}`);
}
for (const el of document.querySelectorAll('.wf svg text')) {
  const frame = el.closest('.wf-body') && el.ownerSVGElement.getBoundingClientRect();
  const box = el.getBoundingClientRect();
  if (frame && el.closest('.box') && box.right > frame.right + 1) found.push(`cut by its column: ${el.textContent}`);
}
return [...new Set(found)];
