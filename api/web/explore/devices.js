// Devices and workers: what things were measured on, and who trains now.

import { get, pause } from "../api.js";
import { fill, h } from "../dom.js";
import * as words from "../words.js";
import { facts, link, listing } from "./listing.js";

const EVERY_SECONDS = 5;

/** Show all devices with the workers, or the device whose id is in the address. */
export async function show({ main, parts: [id], signal, shown }) {
  if (id) return showDevice(main, id, signal);
  const { items } = await get("/v1/devices", { signal });
  const workers = h("div", null);
  const update = async () => fill(workers, workersOf((await get("/v1/workers", { signal })).items));
  await update();
  fill(
    main,
    h("h1", null, "Devices and workers"),
    h("section", null, h("h2", null, "Workers"), workers),
    h("section", null, h("h2", null, "Devices"), devicesOf(items)),
  );
  shown();
  while (!signal.aborted) {
    await pause(EVERY_SECONDS, signal);
    await update();
  }
}

async function showDevice(main, id, signal) {
  const device = await get(`/v1/devices/${encodeURIComponent(id)}`, { signal });
  fill(
    main,
    h("p", { class: "eyebrow" }, h("a", { href: "#/devices" }, "Devices and workers")),
    h("h1", null, device.name),
    facts([
      ["id", device.id],
      ["kind", device.kind],
      ["threads", device.n_threads],
      ["memory", words.size(device.memory_bytes)],
      ["software", software(device)],
    ]),
    h(
      "p",
      { class: "links" },
      h(
        "a",
        { href: `#/profiles?device=${encodeURIComponent(device.id)}` },
        "What was measured on it",
      ),
    ),
  );
}

function devicesOf(items) {
  if (!items.length)
    return h(
      "p",
      { class: "empty" },
      "Nothing has been measured yet. A device is listed once a calibration ran on it, " +
        "or a worker serves it.",
    );
  const columns = [["device"], ["name"], ["kind"], ["threads", "n"], ["memory", "n"], ["software"]];
  const row = (device) => [
    link("devices", device.id),
    device.name,
    device.kind,
    device.n_threads,
    words.size(device.memory_bytes),
    software(device),
  ];
  return listing("Devices", columns, items.map(row));
}

function workersOf(items) {
  if (!items.length) {
    return h(
      "p",
      { class: "empty" },
      "No worker lives. On SQLite the server trains by itself; on PostgreSQL start one with ",
      h("code", null, "softmax-advisor worker"),
      ".",
    );
  }
  const columns = [["worker"], ["tag"], ["device"], ["does"], ["last heard of", "n"], ["since"]];
  const row = (worker) => [
    worker.id,
    worker.tag,
    worker.device ? link("devices", worker.device) : "not known yet",
    doing(worker),
    `${words.duration(worker.silent_seconds)} ago`,
    words.time(worker.started_at),
  ];
  return listing("Workers that live", columns, items.map(row));
}

function doing({ is_busy: isBusy, calibration_id: calibration, leg }) {
  if (!isBusy) return "waits";
  if (!calibration) return "works for others";
  const what = leg
    ? `trains ${leg.loss} to ${words.count(leg.until_examples)} examples in `
    : "works on ";
  return [what, link("calibrations", calibration, `calibration ${calibration.slice(0, 8)}`)];
}

function software({ software: all }) {
  return Object.entries(all)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}
