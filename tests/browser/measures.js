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

  // Texts that end where their box does, without a way to scroll; one that ends with an ellipsis is whole in its tooltip.
  function cutOff() {
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
      const style = getComputedStyle(element);
      const hides = [style.overflowX, style.overflowY].some((it) => it === "hidden" || it === "clip");
      if (!hides || element.closest(".visually-hidden, thead, svg, meter") || !element.textContent.trim()) continue;
      if (style.textOverflow === "ellipsis" && element.title.includes(element.textContent.replace(/\s+/g, " ").replace(/ ?…$/, "").trim())) continue;
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

  // What makes the page wider than its window: the innermost elements whose box, or text, ends outside.
  function tooWide() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const ends = (it) => {
      const { left, right } = it.getBoundingClientRect();
      return getComputedStyle(it).overflowX === "visible" ? Math.max(right, left + it.scrollWidth) : right;
    };
    const wide = new Set([...document.querySelectorAll("body *")].filter((it) => ends(it) > width + 0.5 && it.checkVisibility()));
    const found = [...wide].filter((it) => !it.closest(".table, .visually-hidden") && ![...it.children].some((inner) => wide.has(inner)));
    return found.length ? found.map((it) => `${nameOf(it)} by ${Math.round(ends(it) - width)} px`) : ["the page"];
  }

  // Cells of tables whose content lies over their neighbours'.
  function spilled() {
    const isCut = (it, cell) => getComputedStyle(it).overflowX !== "visible" || (it !== cell && isCut(it.parentElement, cell));
    return [...document.querySelectorAll("td")]
      .filter((cell) => {
        const right = cell.getBoundingClientRect().right + 1;
        return [...cell.querySelectorAll("*")].some((it) => it.checkVisibility() && it.getBoundingClientRect().right > right && !isCut(it.parentElement, cell));
      })
      .map((cell) => `${cell.dataset.label ?? ""}: ${cell.textContent.trim().slice(0, 40)}`);
  }

  // Square corners of something coloured over the round ones of the panel that it is in.
  function squareCorners() {
    const corners = [["top", "left"], ["top", "right"], ["bottom", "left"], ["bottom", "right"]];
    const round = (style, [y, x]) => parseFloat(style.getPropertyValue(`border-${y}-${x}-radius`)) > 0;
    const found = [];
    for (const panel of document.querySelectorAll(".panel")) {
      const outside = panel.getBoundingClientRect();
      for (const element of panel.querySelectorAll("*")) {
        const inside = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        if (numbers(style.backgroundColor)[3] === 0 || !inside.width || !inside.height || element.closest(".visually-hidden")) continue;
        for (const corner of corners.filter(([y, x]) => Math.abs(inside[y] - outside[y]) < 2 && Math.abs(inside[x] - outside[x]) < 2)) {
          let clipped = round(style, corner);
          for (let it = element.parentElement; it !== panel && !clipped; it = it.parentElement) {
            const around = getComputedStyle(it);
            clipped = around.overflowX !== "visible" && round(around, corner);
          }
          if (!clipped) found.push(`${nameOf(element)}, ${corner.join(" ")}`);
        }
      }
    }
    return found;
  }

  // What the contrast of a text takes from an element and those around it: colours, and what lies behind; each
  // element is asked once. Null on a picture.
  function groundOf(element, known) {
    if (!element) return "";
    if (known.has(element)) return known.get(element);
    const around = groundOf(element.parentElement, known);
    const style = getComputedStyle(element);
    let ground = null;
    if (around !== null && style.backgroundImage === "none") {
      const off = element.matches(":disabled, [aria-disabled=true], [inert]");
      const shown = ["color", "backgroundColor", "opacity", "filter", "mixBlendMode", "position", "clip"].map((name) => style[name]);
      ground = [element.tagName, element.className.baseVal ?? element.className, off, ...shown, around].join("|");
    }
    known.set(element, ground);
    return ground;
  }

  // What the contrast of a text depends on: colours, size, what lies behind it, and whether axe judges it at all.
  // The same text of two rows looks alike; what is covered, lies outside or on a picture is like nothing else.
  function lookOf(element, known) {
    const box = element.getBoundingClientRect();
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (!there || !(element.contains(there) || there.contains(element))) return null;
    const ground = groundOf(element, known);
    if (ground === null) return null;
    const { fontSize, fontWeight, textShadow } = getComputedStyle(element);
    const text = (element.matches("input, select, textarea") ? element.value : element.textContent).trim();
    const look = [fontSize, fontWeight, textShadow, text.length < 2, /^[^\p{L}\p{N}]*$/u.test(text), box.width < 2];
    look.push(matchMedia("(prefers-color-scheme: dark)").matches, element.closest("label")?.control?.disabled);
    return [...look, ground].join("|");
  }

  // Of texts, one of each look that has not been returned before, on this page or another in this tab.
  function newLooks(part) {
    const judged = new Set(JSON.parse(sessionStorage.judged ?? "[]"));
    const known = new Map();
    const hasText = (it) =>
      it.matches("input, select, textarea") || [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const found = [...document.querySelectorAll(part)]
      .flatMap((root) => [root, ...root.querySelectorAll("*")])
      .filter((it) => it.checkVisibility({ visibilityProperty: true }) && hasText(it))
      .filter((it) => {
        const look = lookOf(it, known);
        return look === null || (!judged.has(look) && judged.add(look));
      });
    sessionStorage.judged = JSON.stringify([...judged]);
    return found;
  }

  // Whether what axe cannot decide is right: text of symbols only, or in a dialog above other text. What has been drawn
  // anew meanwhile is no longer there.
  const isFine = (rule, element) => !element.isConnected || (rule === "color-contrast" && textContrast(element) >= 4.5);

  // What axe finds in a part of the page: by all rules, or by those alone that a scheme can change the outcome of.
  // These take longest by far, so that one text of each look stands for all. A line for each element: rule, element,
  // what is wrong (of a contrast: the ratio).
  async function axeFaults(part, standards) {
    const texts = newLooks(part);
    if (!standards && !texts.length) return [];
    // Of links also those in a text of a new look.
    const selectors = {
      "color-contrast": "[data-new-look]",
      "link-in-text-block": ["a[href]", "[role=link]"].map((it) => `${it}[data-new-look], [data-new-look] ${it}`).join(", "),
    };
    axe.configure({ rules: Object.entries(selectors).map(([id, selector]) => ({ id, selector })) });
    const runOnly = standards ? { type: "tag", values: standards } : { type: "rule", values: Object.keys(selectors) };
    for (const it of texts) it.setAttribute("data-new-look", "");
    const answer = await axe.run(part, { runOnly, resultTypes: ["violations", "incomplete"], preload: false, elementRef: true });
    for (const it of texts) it.removeAttribute("data-new-look");
    const found = ["violations", "incomplete"].flatMap((kind) =>
      answer[kind].flatMap(({ id, nodes }) => nodes.filter((it) => kind === "violations" || !isFine(id, it.element)).map((it) => [id, it])),
    );
    const reasons = (node) => [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ");
    return found.map(([id, node]) => `${id}: ${node.target}: ${reasons(node)}`);
  }

  return { axeFaults, focusFaults, stops, nameOf, cutOff, tokens, spaceText, tooWide, spilled, squareCorners };
})();
