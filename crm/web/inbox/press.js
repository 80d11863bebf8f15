// A click is a pointer that goes down and comes up on the same node. What an event, an answer or a clock would draw
// anew between the two waits: a button that was replaced meanwhile would hear nothing.

const LONGEST = 10_000; // milliseconds: a pointer that comes up nowhere stops the page no longer
const waiting = [];
let down = 0;

// Does it now, or as soon as nothing is pressed and the click has been heard.
export function calmly(work) {
  if (down) waiting.push(work);
  else work();
}

function up() {
  clearTimeout(down);
  down = 0;
  while (!down && waiting.length) waiting.shift()();
}

// Who drags a scroll bar clicks nothing, and wants to see what comes.
const isBar = ({ target: { scrollHeight, clientHeight, clientWidth }, offsetX }) =>
  clientWidth > 0 && scrollHeight > clientHeight && offsetX > clientWidth;

addEventListener(
  "pointerdown",
  (event) => {
    if (isBar(event)) return;
    clearTimeout(down);
    down = setTimeout(up, LONGEST);
  },
  true,
);
addEventListener("click", up);
for (const end of ["pointerup", "pointercancel", "dragend"]) addEventListener(end, () => setTimeout(up), true);
