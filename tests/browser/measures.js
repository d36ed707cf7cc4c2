// What a test measures in a page. Defines `measures`; nothing here is part of the web admin.

globalThis.measures = (() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) =>
    0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  const over = ([r, g, b, alpha = 1], under) => [r, g, b].map((part, index) => part * alpha + under[index] * (1 - alpha));

  // WCAG's contrast of two colours as computed styles give them.
  function contrast(one, other) {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  }

  // What lies behind an element, as [red, green, blue].
  function backdrop(element) {
    if (!element) return [255, 255, 255];
    const colour = numbers(getComputedStyle(element).backgroundColor);
    return colour[3] === undefined ? colour : over(colour, backdrop(element.parentElement));
  }

  const textContrast = (element) => contrast(numbers(getComputedStyle(element).color).slice(0, 3), backdrop(element));

  const nameOf = (element) =>
    `${element.tagName.toLowerCase()} ${(element.getAttribute("aria-label") ?? element.name ?? "") || element.textContent.trim().slice(0, 40)}`;

  const stops = () =>
    [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter(
      (it) => !it.disabled && it.type !== "hidden" && it.checkVisibility({ visibilityProperty: true }),
    );

  // Focuses each stop in turn; says which show it badly, and which are wholly under something else.
  function focusFaults() {
    const found = [];
    for (const stop of stops()) {
      stop.focus();
      if (document.activeElement !== stop) {
        found.push(`${nameOf(stop)}: takes no focus`);
        continue;
      }
      const style = getComputedStyle(stop);
      const behind = backdrop(parseFloat(style.outlineOffset) < 0 ? stop : stop.parentElement);
      const ratio = contrast(numbers(style.outlineColor).slice(0, 3), behind);
      if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) found.push(`${nameOf(stop)}: no outline`);
      else if (ratio < 3) found.push(`${nameOf(stop)}: outline ${ratio.toFixed(2)}:1`);
      const box = stop.getClientRects()[0];
      const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
      const places = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) => [box.left + x * box.width, top + y * (bottom - top)]));
      const seen = places.some(([x, y]) => {
        const there = document.elementFromPoint(x, y);
        return there && (stop.contains(there) || there.contains(stop));
      });
      if (!seen) found.push(`${nameOf(stop)}: under something else`);
    }
    return found;
  }

  // Texts that end where their box does, without a way to scroll.
  function cutOff() {
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
      const style = getComputedStyle(element);
      const hides = [style.overflowX, style.overflowY].some((it) => it === "hidden" || it === "clip");
      if (!hides || element.closest(".visually-hidden, thead, svg, meter") || !element.textContent.trim()) continue;
      if (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1) found.push(nameOf(element));
    }
    return found;
  }

  // How far each token stands out against each of the others, in the colours now in use.
  function tokens(names, grounds) {
    const probe = document.body.appendChild(document.createElement("i"));
    const colour = (name) => {
      probe.style.color = `var(--${name})`;
      return numbers(getComputedStyle(probe).color);
    };
    const found = names.flatMap((name) => grounds.map((ground) => [`${name} on ${ground}`, contrast(colour(name), colour(ground))]));
    probe.remove();
    return found;
  }

  // The text spacing that people may set (1.4.12).
  function spaceText(on) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; } p { margin-bottom: 2em !important; }");
    document.adoptedStyleSheets = on ? [sheet] : [];
  }

  // What makes the page wider than its window.
  function tooWide() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")]
      .filter((it) => it.getBoundingClientRect().right > width + 0.5 && it.checkVisibility() && !it.closest(".table, .visually-hidden"))
      .map((it) => `${nameOf(it)} by ${Math.round(it.getBoundingClientRect().right - width)} px`);
  }

  // Cells of tables whose content lies over their neighbours'.
  function spilled() {
    return [...document.querySelectorAll("td")]
      .filter((cell) => {
        const right = cell.getBoundingClientRect().right + 1;
        return [...cell.querySelectorAll("*")].some((it) => it.checkVisibility() && it.getBoundingClientRect().right > right);
      })
      .map((cell) => `${cell.dataset.label ?? ""}: ${cell.textContent.trim().slice(0, 40)}`);
  }

  return { textContrast, focusFaults, stops, nameOf, cutOff, tokens, spaceText, tooWide, spilled };
})();
