// Drawing that waits its turn: one piece a frame, so that no frame is held up by several of them.

const waiting = new Set();
let isRunning = false;

/** Call `draw` in a frame to come; asked for again before that, it is still called once. */
export function inTurn(draw) {
  waiting.add(draw);
  if (isRunning) return;
  isRunning = true;
  requestAnimationFrame(next);
}

async function next() {
  const [draw] = waiting;
  waiting.delete(draw);
  try {
    await draw();
  } finally {
    isRunning = waiting.size > 0;
    if (isRunning) requestAnimationFrame(next);
  }
}
