// plotly.js, loaded when the first chart is drawn; a report has it inside already.

let loading = null;

/** The Plotly object. */
export function plotly() {
  if (globalThis.Plotly) return Promise.resolve(globalThis.Plotly);
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector('meta[name="plotly"]').content;
    script.onload = () => resolve(globalThis.Plotly);
    script.onerror = () => {
      loading = null; // the next chart tries again
      script.remove();
      reject(new Error("the charts' library could not be loaded"));
    };
    document.head.append(script);
  });
  return loading;
}
