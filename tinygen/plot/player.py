"""The player of a film as HTML: one figure with its frames, a script and a style, and nothing from elsewhere.

Without JavaScript it shows a still frame. With it, the film plays while it is visible, unless the reader prefers
reduced motion.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from html import escape

from tinygen.plot.html import Fragment


def figure(
    frames: Sequence[bytes],
    *,
    size: tuple[int, int],
    blocky: bool,
    fps: float,
    captions: Sequence[str],
    title: str,
    alt: str,
) -> Fragment:
    """The HTML of one player.

    `frames` are PNG files, and `size` is the width and height in CSS pixels at which they are shown if there is room.
    `blocky` enlarges without interpolation. There is a caption for each frame or none. `alt` describes the film to
    readers who can't see it.
    """
    width, height = size
    *before, last = (f"data:image/png;base64,{b64encode(frame).decode()}" for frame in frames)
    data = json.dumps({"fps": fps, "alt": alt, "captions": list(captions), "frames": before})
    data = data.replace("<", "\\u003c")  # so that no text ends the element
    caption = captions[-1] if captions else ""
    longest = max(captions, key=len, default="")  # reserves the room, so that nothing moves while the film plays
    shown = f'<p class="film-caption"><span>{escape(longest)}</span><span>{escape(caption)}</span></p>'
    style = f"--width: {width}px; --ratio: {width / height:.6g}; --extra: {extra(captions, title)}px"
    html = f"""<figure class="film" style="{style}">
{f'<figcaption class="film-title">{escape(title)}</figcaption>' if title else ""}
<img class="film-image{" film-blocky" * blocky}" src="{last}" alt="{escape(alt)}" \
width="{width}" height="{height}" decoding="sync">
<div class="film-bar" role="group" aria-label="{escape(title or "film")}" hidden>
<button type="button" aria-label="play"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="{PLAY}"/></svg></button>
<input type="range" min="1" max="{len(frames)}" value="{len(frames)}" aria-label="frame">
<span class="film-count">{len(frames)} / {len(frames)}</span>
</div>
{shown if captions else ""}
<script type="application/json">{data}</script>
</figure>"""
    return Fragment(html, STYLE, SCRIPT)


def extra(captions: Sequence[str], title: str) -> int:
    """The height of everything but the image, in CSS pixels, on a narrow screen."""
    lines = 1 + max(map(len, captions)) // 48 if captions else 0
    return 52 + 22 * lines + (34 if title else 0)


PLAY, PAUSE = "M4 2l10 6-10 6z", "M3 2h4v12H3zM9 2h4v12H9z"

STYLE = """
.film { margin: 0; max-width: var(--width); }
.film-title { font-weight: 600; margin: 0 0 .4rem; }
.film-image { display: block; width: 100%; height: auto; border-radius: .4rem; background: #ffffff; cursor: pointer; }
.film-blocky { image-rendering: pixelated; }
.film-bar { display: flex; align-items: center; gap: .6rem; margin-top: .4rem; }
.film-bar[hidden] { display: none; }
.film-bar button { flex: none; width: 2.25rem; height: 2.25rem; padding: .55rem; border: 0; border-radius: 50%;
  background: var(--accent); cursor: pointer; }
.film-bar svg { display: block; fill: var(--on-accent); }
.film-bar input { flex: 1; min-width: 0; height: 1.5rem; margin: 0; accent-color: var(--accent); cursor: pointer; }
.film-bar :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.film-count { flex: none; font-size: .875rem; color: var(--faint); font-variant-numeric: tabular-nums; }
.film-caption { display: grid; margin: .3rem 0 0; font-size: .875rem; line-height: 1.4; color: var(--faint); }
.film-caption span { grid-area: 1 / 1; }
.film-caption span:first-child { visibility: hidden; }
.alone .film { max-width: min(var(--width), (100vh - 2rem - var(--extra)) * var(--ratio)); }
"""

SCRIPT = """
for (const film of document.querySelectorAll("figure.film:not([data-ready])")) {
  film.dataset.ready = "";
  const data = JSON.parse(film.querySelector("script").textContent);
  const [image, bar, button, path, slider, count, caption] =
    [".film-image", ".film-bar", "button", "path", "input", ".film-count", ".film-caption span:last-child"]
      .map(name => film.querySelector(name));
  const frames = [...data.frames, image.src], last = frames.length - 1;
  const keyboard = document.querySelector(".alone, .embedded") ? document : film;  // which contains the focus
  let at = last, playing = false, visible = false, timer;

  function show(i) {
    at = i;
    image.src = frames[i];
    image.alt = `${data.alt}, frame ${i + 1} of ${frames.length}` + (data.captions[i] ? `: ${data.captions[i]}` : "");
    slider.value = i + 1;
    slider.setAttribute("aria-valuetext", `${i + 1} of ${frames.length}, ${data.captions[i] ?? ""}`);
    count.textContent = `${i + 1} / ${frames.length}`;
    if (caption) caption.textContent = data.captions[i];
  }
  function wait() {
    clearTimeout(timer);
    const pause = at === last ? 1500 : 0;  // milliseconds at the end
    if (!playing || !visible || document.hidden) return;
    timer = setTimeout(() => { show(at === last ? 0 : at + 1); wait(); }, pause + 1000 / data.fps);
  }
  function play(on) {
    playing = on;
    button.setAttribute("aria-label", on ? "pause" : "play");
    path.setAttribute("d", on ? "PAUSE" : "PLAY");
    if (on && at === last) show(0);
    wait();
  }
  function step(i) {
    play(false);
    show(Math.min(Math.max(i, 0), last));
  }
  const keys = { " ": () => play(!playing), ArrowLeft: () => step(at - 1), ArrowRight: () => step(at + 1),
    Home: () => step(0), End: () => step(last) };
  button.onclick = image.onclick = () => play(!playing);
  slider.oninput = () => step(slider.value - 1);
  keyboard.addEventListener("keydown", event => {
    const onButton = event.key === " " && event.target === button;  // which a space clicks anyway
    if (!keys[event.key] || onButton || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  if (last > 0) {
    bar.hidden = false;
    new IntersectionObserver(entries => { visible = entries.at(-1).isIntersecting; wait(); }).observe(film);
    document.addEventListener("visibilitychange", wait);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
  }
}
""".replace("PAUSE", PAUSE).replace("PLAY", PLAY)
