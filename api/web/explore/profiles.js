// Profiles: two losses side by side, and all that was measured.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { beside } from "./beside.js";
import { showProfile } from "./profile.js";
import { stored } from "./stored.js";

/** Show the lists, or the profile whose id is in the address. */
export async function show({ main, parts: [id], query, signal }) {
  if (id) return showProfile(main, id, signal);
  const [losses, devices] = await Promise.all([
    get("/v1/losses", { signal }),
    get("/v1/devices", { signal }),
  ]);
  const names = losses.items.map((loss) => loss.name);
  const list = stored(query, names, devices.items, signal);
  const lead =
    "What was measured of a loss with its settings on a task and a device. Answers rest on these, " +
    "and on those that came with the program.";
  fill(
    main,
    h("h1", null, "Profiles"),
    h("p", { class: "lead" }, lead),
    beside(names, signal),
    list.element,
  );
  await list.load();
}
