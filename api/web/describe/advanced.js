// What few need to say: the rest of the model, settings to try of each loss, those trained with today,
// and which worker trains.

import { fill, h } from "../dom.js";
import { lossName } from "../answer/ranking.js";
import * as words from "../words.js";
import { onlyFor } from "./kinds.js";

/** `{element, refresh()}`; `losses` are those of the catalogue. */
export function advanced(fields, losses) {
  const today = h("div");
  let baseline = null;
  const element = h(
    "section",
    null,
    h(
      "details",
      null,
      h("summary", null, "Advanced: more of the model, settings to try, which worker trains"),
      h("h3", null, "Model and data"),
      modelAndData(fields),
      today,
      h("h3", null, "Settings to try"),
      h("p", { class: "note" }, "A calibration tries these values of each loss. Give your own, with commas between them; what you leave empty is tried as shown."),
      losses.map((loss) => ofLoss(fields, loss)),
      h("h3", null, "The calibration"),
      fields.text("device_tag", "Worker's tag", { hint: "a worker with this tag trains; empty: the server's own", width: 12 }),
    ),
  );
  return {
    element,
    /** Show the settings of the loss that is trained with today. */
    refresh() {
      const card = losses.find(({ name }) => name === fields.get("task.baseline.loss"));
      if (!card || card.name === baseline) return;
      baseline = card.name;
      fields.forget("task.baseline.settings", card.settings.map(({ name }) => name));
      fill(
        today,
        h("h3", null, `Your settings of ${card.name} today`),
        h("p", { class: "note" }, "What you leave empty is taken as the best known one."),
        h("div", { class: "choices" }, card.settings.map((setting) => settingField(fields, "task.baseline.settings", setting, words.setting(setting.choices[0])))),
      );
    },
  };
}

function modelAndData(fields) {
  const number = (path, label, initial, hint) => onlyFor(path, fields.number(`task.${path}`, label, { initial, hint }));
  return [
    onlyFor("model.bias", fields.tick("task.model.bias", "Each class has a bias", { initial: true })),
    h(
      "div",
      { class: "row" },
      number("model.n_layers", "Layers", "2", "of the transformer"),
      number("model.n_heads", "Heads", "2", "of its attention"),
      number("model.dropout", "Dropout", "0.2"),
      number("model.hidden_units", "Hidden units", "256", "of the mlp"),
      number("data.vocabulary_size", "Tokens kept at most", ""),
      number("data.hash_size", "Different words kept", "65536", "at most, by hashing"),
      number("twin_signal", "Taste in the made-up data", "0.5", "share of the choices, 0 to 1; the rest goes by popularity"),
    ),
  ];
}

function ofLoss(fields, { name, settings }) {
  const path = `task.losses.settings.${name}`;
  return h(
    "details",
    { class: "inner" },
    h("summary", null, lossName(name)),
    h("div", { class: "choices" }, settings.map((setting) => settingField(fields, path, setting, setting.choices.map(words.setting).join(", ")))),
  );
}

function settingField(fields, path, setting, placeholder) {
  const hint = setting.allowed ? `${setting.description}; one of ${setting.allowed.join(", ")}` : setting.description;
  return fields.text(`${path}.${setting.name}`, setting.name, { hint, placeholder, width: 16 });
}
