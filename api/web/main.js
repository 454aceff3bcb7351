// The router: what is behind the # of the address names a view, which is loaded when it is shown.
//
// A view exports `show({ main, parts, query, signal })`, which fills `main` and may go on filling it
// until `signal` aborts; it gives a heading of level 1, which becomes the title too.

import { onAway, ProblemError } from "./api.js";
import { fill, h } from "./dom.js";

const ROUTES = [
  [/^\/$/, () => import("./describe/view.js")],
  [/^\/calibrations$/, () => import("./watch/list.js")],
  [/^\/calibrations\/([^/]+)$/, () => import("./watch/view.js")],
  [/^\/recommendations\/([^/]+)$/, () => import("./decide.js")],
  [/^\/profiles(?:\/([^/]+))?$/, () => import("./explore/profiles.js")],
  [/^\/losses(?:\/([^/]+))?$/, () => import("./explore/losses.js")],
  [/^\/devices(?:\/([^/]+))?$/, () => import("./explore/devices.js")],
];
const NAME = "Softmax Advisor";

const main = document.getElementById("main");
let leave = new AbortController();

async function route() {
  const [path, search] = (location.hash.replace(/^#/, "") || "/").split("?");
  if (!path.startsWith("/")) return;
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  mark(path);
  const found = ROUTES.map(([pattern, load]) => [path.match(pattern), load]).find(([match]) => match);
  const parts = found ? found[0].slice(1).map((part) => part && decodeURIComponent(part)) : [];
  const view = h("div", { class: "view", "data-path": path, "aria-busy": "true" });
  try {
    if (!found) throw new ProblemError(404, { title: "There is no such view", detail: `there is nothing at #${path}` });
    const { show } = await found[1]();
    if (signal.aborted) return;
    if (!main.querySelector(".view")) fill(main, h("p", { class: "loading" }, "Loading…"));
    await show({ main: view, parts, query: new URLSearchParams(search), signal, shown: () => enter(view, signal) });
  } catch (error) {
    if (signal.aborted) return;
    fill(view, trouble(error));
  }
  enter(view, signal);
}

/** Put a view in its place, once; the reader begins at its heading. */
function enter(view, signal) {
  if (signal.aborted) return;
  const heading = view.querySelector("h1");
  document.title = heading ? `${heading.dataset.title ?? heading.textContent} - ${NAME}` : NAME;
  view.removeAttribute("aria-busy");
  main.dataset.path = view.dataset.path;
  if (view.isConnected) return;
  const isFirst = !main.querySelector(".view");
  fill(main, view);
  scrollTo(0, 0);
  if (isFirst || !heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

function trouble(error) {
  const isKnown = error instanceof ProblemError;
  if (!isKnown) console.error(error);
  return [
    h("h1", null, (isKnown && error.title) || "This cannot be shown"),
    h("p", { role: "alert" }, error.message),
    h("p", null, h("button", { type: "button", onclick: route }, "Try again"), " ", h("a", { href: "#/" }, "Describe a task")),
  ];
}

function mark(path) {
  const section = `#/${path.split("/")[1]}`.replace("#/recommendations", "#/calibrations");
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const banner = document.getElementById("banner");
onAway((isAway) => fill(banner, isAway && "The server does not answer. This page tries again until it does."));
document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", route);
route();
