"use strict";
(() => {
  if (!window.vegaEmbed) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function look() {
    const text = colour("--text"), line = colour("--line");
    return {
      background: "transparent", style: { "guide-label": { fill: text }, "guide-title": { fill: text } },
      axis: { domainColor: text, tickColor: text, gridColor: line }, title: { color: text, subtitleColor: text },
      header: { labelColor: text }, rule: { color: text }, text: { color: text },
    };
  }

  async function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent), place = figure.querySelector(".live");
    // Vega's own interpreter: the page allows no eval.
    await vegaEmbed(place, spec, { mode: "vega-lite", ast: true, actions: false, renderer: "svg", config: look() });
    figure.classList.add("drawn");
  }

  async function drawAll() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      await draw(figure);
      await new Promise((next) => setTimeout(next));  // so that the page answers in between
    }
  }

  dark.addEventListener("change", drawAll);
  window.drawn = drawAll();
})();
