// A dashboard that needs nothing: numbers that wander, and the time.
"use strict";

const SERIES = [
  { name: "Outside", unit: " °C", base: 12, swing: 6, digits: 1, colour: "#5ab0ff" },
  { name: "Living room", unit: " °C", base: 21, swing: 1.5, digits: 1, colour: "#ffb454" },
  { name: "Power", unit: " W", base: 640, swing: 420, digits: 0, colour: "#ff7a85" },
  { name: "Solar", unit: " W", base: 1800, swing: 900, digits: 0, colour: "#ffd75e" },
  { name: "Network", unit: " Mbit/s", base: 84, swing: 70, digits: 1, colour: "#7ee0a8" },
  { name: "Load", unit: "", base: 0.8, swing: 0.5, digits: 2, colour: "#c79bff" },
];
const POINTS = 90;

const charts = SERIES.map((series, index) => {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const output = document.createElement("output");
  const canvas = document.createElement("canvas");
  caption.textContent = series.name;
  figure.append(caption, output, canvas);
  document.getElementById("charts").append(figure);
  return { ...series, index, output, canvas };
});

/** A value that wanders smoothly and is the same for everyone at the same second. */
function valueAt(chart, second) {
  const waves = [[61, 1], [23, 0.5], [7, 0.25], [3, 0.12]];
  const sum = waves.reduce(
    (total, [period, weight]) =>
      total + weight * Math.sin((2 * Math.PI * second) / period + chart.index * 1.7 * period),
    0,
  );
  return Math.max(0, chart.base + (chart.swing * sum) / 1.87);
}

function draw(chart, now) {
  const values = Array.from({ length: POINTS }, (_, i) => valueAt(chart, now - POINTS + 1 + i));
  chart.output.textContent = values.at(-1).toFixed(chart.digits) + chart.unit;
  const { canvas } = chart;
  canvas.width = canvas.clientWidth;
  canvas.height = canvas.clientHeight;
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const x = (i) => (i / (POINTS - 1)) * width;
  const y = (value) => height - 4 - ((value - low) / span) * (height - 16);
  context.strokeStyle = "#263341";
  for (let line = 1; line < 4; line += 1) {
    const at = Math.round((height * line) / 4) + 0.5;
    context.beginPath();
    context.moveTo(0, at);
    context.lineTo(width, at);
    context.stroke();
  }
  context.beginPath();
  values.forEach((value, i) => context.lineTo(x(i), y(value)));
  context.strokeStyle = chart.colour;
  context.lineWidth = 2.5;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(0, height);
  context.globalAlpha = 0.12;
  context.fillStyle = chart.colour;
  context.fill();
}

/** The Unix time as 32 squares of 24 pixels, most significant bit first, white for one. */
function stamp(second) {
  const context = document.getElementById("stamp").getContext("2d");
  for (let bit = 0; bit < 32; bit += 1) {
    context.fillStyle = (second >>> (31 - bit)) & 1 ? "#fff" : "#000";
    context.fillRect(bit * 24, 0, 24, 24);
  }
}

function tick() {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  document.getElementById("clock").textContent = new Date(now).toLocaleTimeString("en-GB");
  charts.forEach((chart) => draw(chart, second));
  stamp(second);
  setTimeout(tick, 1000 - (Date.now() % 1000));
}

tick();
