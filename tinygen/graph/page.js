"use strict";
// Shows one step of the backward pass at a time. All texts are already on the page: this only chooses among them.
const steps = [...document.querySelectorAll(".step")];
const nodes = [...document.querySelectorAll(".node:not(.note)")];
const edges = [...document.querySelectorAll(".edge")];
const [back, play, next, slider, output] = ["back", "play", "next", "slider", "output"].map(id => document.getElementById(id));
const picture = document.querySelector(".picture"), texts = document.querySelector(".steps");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let now = 1, timer = null;

function go(number, behavior = calm.matches ? "auto" : "smooth") {
  now = Math.min(Math.max(number, 1), steps.length);
  steps.forEach((step, i) => step.classList.toggle("now", i + 1 === now));
  for (const node of nodes) {
    const step = Number(node.dataset.step);
    node.classList.toggle("now", step === now);
    node.classList.toggle("later", step > now);
  }
  for (const edge of edges) {
    edge.classList.toggle("sent", Number(edge.dataset.child) === now);
    edge.classList.toggle("arrived", Number(edge.dataset.parent) === now);
  }
  slider.value = now;
  slider.setAttribute("aria-valuetext", output.value = `step ${now} of ${steps.length}`);
  back.disabled = now === 1;
  next.disabled = now === steps.length;
  texts.scrollTop = 0;
  show(nodes.find(node => Number(node.dataset.step) === now), behavior);
}

function show(node, behavior) {
  const box = node.getBoundingClientRect(), frame = picture.getBoundingClientRect();
  picture.scrollBy({
    left: box.left + box.width / 2 - frame.left - frame.width / 2,
    top: box.top + box.height / 2 - frame.top - frame.height / 2,
    behavior,
  });
}

function stop() {
  clearInterval(timer);
  timer = null;
  play.textContent = "play";
}

function start() {
  if (now === steps.length) go(1);
  play.textContent = "pause";
  timer = setInterval(() => { go(now + 1); if (now === steps.length) stop(); }, 1800);
}

back.addEventListener("click", () => { stop(); go(now - 1); });
next.addEventListener("click", () => { stop(); go(now + 1); });
play.addEventListener("click", () => timer === null ? start() : stop());
slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
nodes.forEach(node => node.addEventListener("click", () => { stop(); go(Number(node.dataset.step)); }));
document.addEventListener("keydown", event => {
  if (event.target === slider || event.ctrlKey || event.altKey || event.metaKey) return;
  const moves = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 1, End: steps.length };
  if (event.key in moves) { event.preventDefault(); stop(); go(moves[event.key]); }
});
document.documentElement.classList.add("walking");
go(1, "auto");
