// Server-sent events over fetch, since an EventSource cannot send a key.

import { patiently, pause, request, UnreachableError } from "./api.js";

/**
 * Call `onEvents(list)` with what comes from a stream, each event once and in order, until it has
 * ended for good. A stream that breaks goes on behind the last event seen; a tab that nobody looks
 * at lets go of its connection, of which a browser has few.
 */
export async function follow(path, onEvents, signal) {
  let last = 0;
  for (;;) {
    await untilVisible(signal);
    const hidden = new AbortController();
    const hide = () => document.hidden && hidden.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      const both = AbortSignal.any([signal, hidden.signal]);
      const headers = { "Last-Event-ID": String(last) };
      const answer = await patiently(() => request("GET", path, { headers, signal: both }), both);
      if (answer.status === 204) return;
      await read(answer.body, (events) => {
        last = events[events.length - 1].number;
        onEvents(events);
      });
    } catch (error) {
      if (signal.aborted) return;
      const isBroken = error instanceof TypeError || error instanceof UnreachableError;
      if (!hidden.signal.aborted && !isBroken) throw error;
    } finally {
      document.removeEventListener("visibilitychange", hide);
    }
    await pause(0.3, signal);
  }
}

async function read(body, onEvents) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    const events = blocks.map(dataOf).filter(Boolean).map((data) => JSON.parse(data));
    if (events.length) onEvents(events);
  }
}

function dataOf(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).trimStart()).join("\n");
}

function untilVisible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (settle) => () => {
      if (!signal.aborted && document.hidden) return;
      document.removeEventListener("visibilitychange", shown);
      settle(signal.reason);
    };
    const shown = end(resolve);
    document.addEventListener("visibilitychange", shown);
    signal.addEventListener("abort", end(reject), { once: true });
  });
}
