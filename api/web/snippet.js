// How to use an answer: the call with its settings, and the loss's source.

import { copyable } from "./answer/copy.js";
import { h } from "./dom.js";
import { sourceOf } from "./source.js";

const OF_OPTIMISER = ["learning_rate", "weight_decay"];

/** The section with both; the source is fetched when it is opened. */
export function snippet(answer, signal) {
  return h(
    "section",
    { class: "snippet" },
    h("h2", null, "Use it"),
    h(
      "p",
      { class: "note" },
      "Where softmax-advisor is installed, this trains one step; put your encoder beside the layer and your class counts in their place.",
    ),
    copyable(call(answer), "the call"),
    sourceOf(answer.loss, `The source of ${answer.loss}: one file that needs nothing but torch`, signal),
  );
}

function call({ loss, settings, task, statistics }) {
  const nClasses = (statistics ?? task.statistics)?.n_classes ?? 1000;
  const { embedding_dim: dim, bias } = task.model;
  const { optimiser, batch_size: rows, dtype } = task.training;
  const own = Object.entries(settings).filter(([name]) => !OF_OPTIMISER.includes(name));
  const given = own.map(([name, value]) => `\n    ${name}=${literal(value)},`).join("");
  const cast = dtype === "float32" ? "" : `.to(torch.${dtype})`;
  return `import torch
from profiler.losses import build
from profiler.optimiser import optimisers

class_counts = torch.ones(${nClasses})  # how often training has each class
layer = build(
    ${literal(loss)},
    in_features=${dim},
    n_classes=${nClasses},
    bias=${literal(bias)},
    class_counts=class_counts,${given}
)${cast}
steps = optimisers(
    [layer], ${literal(settings.learning_rate)}, ${literal(settings.weight_decay)}, ${literal(optimiser)}
)

hidden = torch.randn(${rows}, ${dim})${cast}
target = torch.randint(${nClasses}, (${rows},))
loss = layer(hidden, target)
loss.backward()
for step in steps:
    step.step()
scores = layer.scores(hidden)
`;
}

/** A value of JSON as Python has it. */
function literal(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value ?? null).replace(/^null$/, "None");
}
