// Way 2: watch a calibration.

import { h } from "../dom.js";

export async function show({ main }) {
  main.append(h("h1", null, "Calibration"));
}
