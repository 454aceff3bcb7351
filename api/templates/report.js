"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const axes = {};
  const narrow = window.matchMedia("(max-width: 760px)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // On a narrow page: only powers of ten on the axis, and a legend instead of words among marks.
  const thinned = (axis) => {
    if (!narrow.matches || !axis?.tickvals) return axis;
    const ticks = axis.tickvals.filter((tick) => tick.toExponential().startsWith("1e"));
    const seen = ticks.filter((tick) => axis.range[0] <= Math.log10(tick) && Math.log10(tick) <= axis.range[1]);
    return seen.length < 2 ? axis : { ...axis, tickvals: ticks, ticktext: ticks.map(String) };
  };
  const marked = (trace) =>
    narrow.matches && trace.mode === "markers+text" ? { ...trace, mode: "markers" } : trace;

  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: value("--line"), zerolinecolor: value("--line"), linecolor: value("--line") };
    return {
      height: narrow.matches ? 500 : 460,
      margin: { l: 56, r: 16, t: 16, b: 48 },
      ...layout,
      showlegend: layout.showlegend ?? narrow.matches,
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: value("--line"), activecolor: value("--accent") },
      font: { color: value("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      xaxis: { ...axis, ...thinned(layout.xaxis), tickangle: 0, automargin: true },
      yaxis: { ...axis, ...layout.yaxis },
    };
  };
  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const draw = () => {
    for (const [id, figure] of Object.entries(figures)) {
      const layout = { ...figure.layout, xaxis: axes[id] ?? figure.layout.xaxis };
      Plotly.react(id, figure.data.map(marked), themed(layout), {
        ...config,
        displayModeBar: narrow.matches ? false : "hover",
      });
    }
  };
  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);

  for (const box of document.querySelectorAll("[data-log]")) {
    box.addEventListener("change", () => {
      const axis = figures[box.dataset.log].layout.xaxis;
      const linear = { title: axis.title, type: "linear", rangemode: "tozero" };
      axes[box.dataset.log] = box.checked ? axis : linear;
      draw();
    });
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        getSelection().selectAllChildren(source);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
  document.getElementById("download").addEventListener("click", () => {
    const text = JSON.stringify(read("recommendation"), null, 2) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "recommendation.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
})();
