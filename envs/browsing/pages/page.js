// What the browser's world reads from a page and puts back into it, as `__pivotgym` in the top document's own scripts' world.
// Runs before any script of the page. Owns: element numbers, the tree as text, the normalised document, form values, focus
// and scroll. Does not own: when it is called, or what is done with it (`session.py`).
(() => {
  const seeded = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  Math.random = seeded(SEED);
  // Datagrams of calls between browsers would pass by all that answers requests.
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport"]) delete window[name];
  if (window !== window.top) return;

  const json = JSON.stringify.bind(JSON);
  const numbers = new WeakMap();
  const elements = new Map();
  let last = 0, asked = false;

  const HIDDEN = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "HEAD", "LINK", "META", "TITLE", "BASE", "OPTION", "OPTGROUP", "DATALIST", "BR", "WBR"]);
  const PLAIN = new Set(["", "none", "generic", "presentation", "paragraph", "LabelText", "emphasis", "strong", "code", "time",
    "subscript", "superscript", "deletion", "insertion", "rowgroup", "term", "definition", "caption", "blockquote", "mark"]);
  // Formatting, which is no element of its own where its text stands in a larger one's.
  const FORMATS = new Set(["B", "I", "U", "EM", "STRONG", "SMALL", "CODE", "MARK", "SUB", "SUP", "BR", "S", "ABBR", "CITE", "Q", "TIME"]);
  const INLINE = new Set([...FORMATS, "SPAN", "FONT"]);
  const VALUED = new Set(["textbox", "searchbox", "spinbutton", "combobox", "slider", "listbox", "date", "time", "datetime-local", "month", "week", "color"]);
  const SHAPES = new Set(["circle", "rect", "polygon", "path", "line", "ellipse", "polyline", "text", "image"]);
  const one = (text) => (text || "").replace(/\s+/g, " ").trim();
  const quoted = (text, most = 200) => json(text.length > most ? text.slice(0, most) + "…" : text);

  const number = (element) => {
    let found = numbers.get(element);
    if (found === undefined) {
      numbers.set(element, (found = ++last));
      elements.set(found, new WeakRef(element));
    }
    return found;
  };

  const inside = (node) => {
    if (node.nodeName === "IFRAME" || node.nodeName === "FRAME") {
      try { return node.contentDocument && node.contentDocument.body ? [node.contentDocument.body] : []; } catch { return []; }
    }
    if (node.nodeName === "SLOT") {
      const given = node.assignedNodes({ flatten: true });
      return given.length ? given : node.childNodes;
    }
    return node.shadowRoot ? node.shadowRoot.childNodes : node.childNodes;
  };

  const root = (document) => document.body || document.documentElement;

  // All elements in document order, through open shadow roots and frames of the same origin.
  const every = (node, found = []) => {
    if (!node) return found;
    found.push(node);
    const children = node.shadowRoot ? [...node.shadowRoot.children, ...node.children] : node.children;
    for (const child of children) every(child, found);
    if (node.nodeName === "IFRAME" || node.nodeName === "FRAME") {
      for (const inner of inside(node)) every(inner, found);
    }
    return found;
  };

  const active = () => {
    let found = document.activeElement;
    while (found) {
      const deeper = found.shadowRoot ? found.shadowRoot.activeElement
        : found.nodeName === "IFRAME" ? (() => { try { return found.contentDocument.activeElement; } catch { return null; } })() : null;
      if (!deeper) break;
      found = deeper;
    }
    return found && found !== document.body && found.nodeName !== "BODY" && found.nodeName !== "HTML" ? found : null;
  };

  const box = (element) => {
    const r = element.getBoundingClientRect();
    let left = r.left, top = r.top;
    for (let view = element.ownerDocument.defaultView; view && view !== window; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect();
      left += frame.left + view.frameElement.clientLeft;
      top += frame.top + view.frameElement.clientTop;
    }
    return { left, top, width: r.width, height: r.height };
  };

  const value = (element, role) => {
    if (element.nodeName === "SELECT") return [...element.selectedOptions].map((option) => one(option.label)).join("|");
    if (element.type === "password") return "•".repeat((element.value || "").length);
    if ("value" in element && typeof element.value === "string") return element.value;
    return element.isContentEditable ? one(element.textContent) : element.getAttribute("aria-valuenow") || "";
  };

  const STATES = { "aria-expanded": "expanded", "aria-pressed": "pressed", "aria-selected": "selected", "aria-checked": "checked" };
  // Chromium's own role and name cost most of a reading; where HTML leaves no choice they are not asked for.
  const NAMING = ["aria-label", "aria-labelledby", "title"];
  const TYPES = { text: "textbox", email: "textbox", tel: "textbox", url: "textbox", password: "textbox", number: "spinbutton",
    checkbox: "checkbox", radio: "radio", range: "slider", submit: "button", button: "button", reset: "button" };
  const listed = (element) => ["UL", "OL"].includes(element.parentElement?.nodeName) && !element.parentElement.hasAttribute("role");
  const IMPLIED = {
    DIV: () => "generic", SPAN: () => "generic", P: () => "paragraph", LABEL: () => "LabelText", B: () => "generic", I: () => "generic",
    BODY: () => "generic", FORM: () => "form", NAV: () => "navigation", MAIN: () => "main", S: () => "deletion",
    UL: () => "list", OL: () => "list", LI: (element) => listed(element) && "listitem", BUTTON: () => "button",
    A: (element) => element.hasAttribute("href") && "link", TEXTAREA: () => "textbox",
    SELECT: (element) => (element.multiple || element.size > 1 ? "listbox" : "combobox"),
    INPUT: (element) => !element.hasAttribute("list") && TYPES[element.type],
  };
  for (const level of "123456") IMPLIED[`H${level}`] = () => "heading";
  for (const shape of SHAPES) IMPLIED[shape] = () => "graphics-symbol";
  const UNNAMED = new Set(["list", "listitem", "form", "navigation", "main", "banner", "contentinfo", "region"]);
  const TITLED = NAMING.map((attribute) => `[${attribute}]`).join(",") + ",[role],[aria-hidden],img,svg,input,select,textarea,button,iframe";
  const roleOf = (element) => {
    const implied = !element.hasAttribute("role") && IMPLIED[element.nodeName] && IMPLIED[element.nodeName](element);
    return implied || element.computedRole || (element.nodeName === "INPUT" ? element.type : "");
  };
  const decorated = (element) => ["::before", "::after"].some((part) => !["none", "normal", ""].includes(getComputedStyle(element, part).content));
  const bare = (element) => {
    const style = getComputedStyle(element);
    return style.textTransform === "none" && style.display !== "none" && style.visibility === "visible" && !decorated(element)
      && (style.display.startsWith("inline") || !element.parentElement.firstElementChild.nextElementSibling || element.matches("h1,h2,h3,h4,h5,h6,button,a"));
  };
  const nameOf = (element, role) => {
    if (!NAMING.some((attribute) => element.hasAttribute(attribute))) {
      if (UNNAMED.has(role)) return "";
      const spoken = ["heading", "link", "button"].includes(role) && element.nodeName !== "INPUT" && !element.querySelector(TITLED);
      if (spoken && [element, ...element.querySelectorAll("*")].every(bare)) return one(element.textContent);
    }
    return one(element.computedName);
  };

  const states = (element, role) => {
    const said = [];
    if (role === "heading") said.push(`level=${element.getAttribute("aria-level") || element.nodeName.slice(1)}`);
    if (VALUED.has(role) || element.nodeName === "SELECT" || element.isContentEditable) said.push(`value=${quoted(value(element, role), 500)}`);
    if (element.nodeName === "SELECT") said.push(`options=${quoted([...element.options].map((option) => one(option.label)).join("|"), 1500)}`);
    if (element.nodeName === "INPUT" && element.type !== "text" && VALUED.has(role)) said.push(`type=${element.type}`);
    if (element.multiple) said.push("multiple");
    if (element.nodeName === "INPUT" && (element.type === "checkbox" || element.type === "radio")) {
      if (element.indeterminate) said.push("mixed"); else if (element.checked) said.push("checked");
    }
    if (element.nodeName === "DETAILS" && element.open) said.push("expanded");
    for (const [attribute, word] of Object.entries(STATES)) {
      const given = element.getAttribute(attribute);
      if (given === "true") said.push(word); else if (given && given !== "undefined") said.push(`${word}=${given}`);
    }
    if (element.disabled || element.getAttribute("aria-disabled") === "true") said.push("disabled");
    if (element.readOnly) said.push("readonly");
    if (element.required) said.push("required");
    if (element.getAttribute("aria-invalid") === "true") said.push("invalid");
    return said;
  };

  const looks = (element) => {
    const said = [`tag=${element.nodeName.toLowerCase()}`];
    if (typeof element.className === "string" && element.className.trim()) said.push(`class=${quoted(one(element.className), 80)}`);
    for (const attribute of ["id", "fill", "type"]) if (element.getAttribute(attribute)) said.push(`${attribute}=${quoted(element.getAttribute(attribute), 80)}`);
    const at = box(element);
    said.push(`at=${Math.round(at.left + at.width / 2)},${Math.round(at.top + at.height / 2)} size=${Math.round(at.width)}x${Math.round(at.height)}`);
    return said;
  };

  // The lines of the tree, and the elements they stand for. `focused` is no part of a line: it is told apart.
  const tree = () => {
    const lines = [], shown = [];
    const flowing = (node) => [...node.querySelectorAll("*")].every((inner) => INLINE.has(inner.nodeName));
    const visit = (node, depth, told, named) => {
      if (!node) return;
      if (node.nodeType === 3) {
        const text = one(node.nodeValue);
        const around = node.parentElement;
        if (text && !told.includes(text) && (!around || around.checkVisibility({ visibilityProperty: true }))) { lines.push([depth, null, `text ${quoted(text, 1000)}`]); shown.push(null); }
        return;
      }
      if (node.nodeType !== 1 || HIDDEN.has(node.nodeName)) return;
      if (node.getAttribute("aria-hidden") === "true") return;
      const displayed = node.checkVisibility();
      if (!displayed && node.nodeName !== "SLOT" && getComputedStyle(node).display !== "contents") return;
      const visible = node.checkVisibility({ visibilityProperty: true });
      const role = roleOf(node);
      const texts = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => one(child.nodeValue)).filter(Boolean);
      const leaf = !node.firstElementChild && !node.shadowRoot && node.nodeName !== "IFRAME" && node.nodeName !== "SLOT";
      const shape = SHAPES.has(node.nodeName);
      const acts = node.hasAttribute("onclick") || node.hasAttribute("tabindex") || node.isContentEditable || node.draggable;
      const plain = PLAIN.has(role);
      let next = depth, said = told, covered = named;
      if (visible && (!plain || acts || shape || leaf || texts.length)) {
        const name = plain || shape ? flowing(node) ? one(node.textContent) : node.nodeName === "LABEL" ? one(texts.join(" ")) : "" : nameOf(node, role);
        const at = node.getBoundingClientRect();
        const sized = at.width > 0 && at.height > 0;
        const repeats = plain && !acts && !shape && name && (FORMATS.has(node.nodeName) ? told : named).includes(name);
        if (!repeats && (name || sized || !plain)) {
          const kind = shape ? "graphics" : plain ? (node.nodeName === "LABEL" ? "label" : role === "paragraph" ? "paragraph" : "generic") : role;
          const parts = [kind, ...(name ? [quoted(name, 400)] : []), ...states(node, role), ...(shape || (plain && ((!name && !texts.length) || acts)) ? looks(node) : [])];
          lines.push([depth, number(node), parts.join(" ")]);
          shown.push(node);
          next = depth + 1;
          said = told + " " + name;
          if (!plain) covered = named + " " + name;
        }
      }
      if (node.nodeName === "SELECT" || node.nodeName === "TEXTAREA") return;
      for (const child of inside(node)) visit(child, next, said, covered);
    };
    visit(root(document), 0, "", "");
    return { lines, shown };
  };

  const DROPPED = /(^|[-_])(hover|hovered|focus|focused)$/;
  const VOLATILE = new Set(["nonce"]);
  const html = (node) => {
    if (!node) return "";
    if (node.nodeType === 3) return one(node.nodeValue);
    if (node.nodeType !== 1) return "";
    const attributes = [];
    for (const { name, value } of node.attributes) {
      if (VOLATILE.has(name)) continue;
      const kept = name === "class" ? value.split(/\s+/).filter((token) => token && !DROPPED.test(token)).sort().join(" ") : one(value);
      if (name !== "class" || kept) attributes.push(`${name}=${json(kept)}`);
    }
    const tag = node.nodeName.toLowerCase();
    const opening = `<${[tag, ...attributes.sort()].join(" ")}>`;
    if (tag === "script" || tag === "style" || tag === "textarea") return opening;
    const shadow = node.shadowRoot ? `<#shadow>${[...node.shadowRoot.childNodes].map(html).join("")}</#shadow>` : "";
    const frame = tag === "iframe" || tag === "frame" ? inside(node).map(html).join("") : "";
    return opening + shadow + frame + [...node.childNodes].map(html).join(" ") + `</${tag}>`;
  };

  const FIELD = "input,textarea,select,details,dialog,[contenteditable]";
  const fields = (all) => all.filter((element) => element.matches(FIELD));
  const kept = (element) => {
    if (element.nodeName === "SELECT") return [...element.options].map((option) => option.selected);
    if (element.nodeName === "DETAILS" || element.nodeName === "DIALOG") return element.open;
    if (element.type === "checkbox" || element.type === "radio") return [element.checked, element.indeterminate];
    if (element.type === "file") return [...element.files].map((file) => file.name);
    return "value" in element ? element.value : null;
  };

  const stored = (name) => {
    try { return Object.fromEntries(Object.entries(window[name]).sort()); } catch { return {}; }
  };

  const caret = (element) => {
    try { return element && element.selectionStart !== null ? [element.selectionStart, element.selectionEnd] : null; } catch { return null; }
  };

  const page = {
    // Everything that is observed or compared, in one go, as JSON.
    read() {
      const all = every(document.documentElement);
      const { lines, shown } = tree();
      const focus = active();
      const scrolled = all.map((element, index) => [index, element.scrollLeft, element.scrollTop]).filter(([, x, y]) => x || y);
      return json({
        url: location.href, title: document.title, lines, dom: html(document.documentElement),
        fields: fields(all).map(kept), focus: focus ? all.indexOf(focus) : null,
        focused: focus && numbers.has(focus) ? numbers.get(focus) : null, caret: caret(focus), scrolled,
        numbers: all.map((element) => numbers.get(element) || 0), last,
        local: stored("localStorage"), session: stored("sessionStorage"),
      });
    },
    // Puts back what a freshly loaded document does not carry.
    put(text) {
      const read = JSON.parse(text);
      const all = every(document.documentElement);
      fields(all).forEach((element, index) => {
        const given = read.fields[index];
        if (given === undefined || given === null || json(kept(element)) === json(given)) return;
        if (element.nodeName === "SELECT") [...element.options].forEach((option, place) => { option.selected = !!given[place]; });
        else if (element.nodeName === "DETAILS") element.open = given;
        else if (element.type === "checkbox" || element.type === "radio") [element.checked, element.indeterminate] = given;
        else if (typeof given === "string" && element.type !== "file") element.value = given;
      });
      read.numbers.forEach((given, index) => {
        if (given && all[index]) { numbers.set(all[index], given); elements.set(given, new WeakRef(all[index])); }
      });
      last = Math.max(last, read.last);
      const focus = read.focus === null ? null : all[read.focus];
      if (focus) focus.focus({ preventScroll: true });
      if (focus && read.caret) try { focus.setSelectionRange(...read.caret); } catch { /* a field without a caret */ }
      for (const [index, x, y] of read.scrolled) if (all[index]) { all[index].scrollLeft = x; all[index].scrollTop = y; }
    },
    // An element's role and name.
    told(element) {
      const role = roleOf(element);
      return [role, nameOf(element, role)];
    },
    // How many milliseconds the document has lived, and whether this is asked for the first time.
    clock() {
      const fresh = !asked;
      asked = true;
      return { fresh, ready: document.readyState === "complete", age: performance.now() };
    },
    element(id) {
      const found = elements.get(id) && elements.get(id).deref();
      return found && found.isConnected ? found : null;
    },
    // An element by its locator of another recording: `xpath` from the document root, else `css`.
    located(locator) {
      if (locator.xpath) {
        const found = document.evaluate(locator.xpath, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue;
        if (found) return found;
      }
      return locator.css ? document.querySelector(locator.css) : null;
    },
    box(element) {
      const { left, top, width, height } = box(element);
      return [left, top, width, height];
    },
    // Brings an element into view and says where its centre is.
    place(element) {
      if (!element) return { gone: true };
      if (!element.checkVisibility()) return { hidden: true };
      const outside = (at) => at.left < 0 || at.top < 0 || at.left + at.width > innerWidth || at.top + at.height > innerHeight;
      if (outside(box(element))) element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
      // Of an element that runs over several lines, the middle of the first: that of all may lie beside it.
      const rects = [...element.getClientRects()].filter((rect) => rect.width > 0 && rect.height > 0);
      const at = box(element);
      const shown = at.width > 0 && at.height > 0;
      if (rects.length > 1) {
        const whole = element.getBoundingClientRect();
        at.left += rects[0].left - whole.left;
        at.top += rects[0].top - whole.top;
        at.width = rects[0].width;
        at.height = rects[0].height;
      }
      return {
        x: Math.min(Math.max(at.left + at.width / 2, 0), innerWidth - 1), y: Math.min(Math.max(at.top + at.height / 2, 0), innerHeight - 1),
        empty: !shown, disabled: !!element.disabled, tag: element.nodeName, type: element.type || "", readonly: !!element.readOnly,
        editable: element.nodeName === "TEXTAREA" || element.isContentEditable ||
          (element.nodeName === "INPUT" && !["checkbox", "radio", "button", "submit", "reset", "file", "image", "range", "color", "hidden"].includes(element.type)),
      };
    },
    // Scrolls what lies under a point.
    scroll(x, y, across, down) {
      let found = document.elementFromPoint(x, y);
      const moves = (element) => {
        const before = [element.scrollLeft, element.scrollTop];
        element.scrollBy({ left: across, top: down, behavior: "instant" });
        return element.scrollLeft !== before[0] || element.scrollTop !== before[1];
      };
      while (found && !(["auto", "scroll"].some((kind) => getComputedStyle(found).overflow.includes(kind)) && moves(found))) found = found.parentElement;
      if (!found) moves(document.scrollingElement || document.documentElement);
    },
    // Sets what no keyboard types: dates, times, ranges, colours.
    set(element, text) {
      element.focus();
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(element, text);
      element.dispatchEvent(new Event("input", { bubbles: true }));
      element.dispatchEvent(new Event("change", { bubbles: true }));
      return element.value;
    },
    // Focuses a field and selects what it holds, so that typing replaces it.
    whole(element) {
      element.focus();
      if (element.isContentEditable && !("select" in element)) getSelection().selectAllChildren(element);
      else element.select();
    },
    // Chooses an option by its label or value; says what can be chosen where there is none.
    choose(element, wanted) {
      if (element.nodeName !== "SELECT") return { problem: "it is not a list of options" };
      const all = [...element.options];
      const found = all.find((option) => one(option.label) === one(wanted)) || all.find((option) => option.value === wanted);
      if (!found) return { problem: `it has no option ${quoted(wanted, 100)}; it has ${quoted(all.map((option) => one(option.label)).join("|"), 400)}` };
      if (found.disabled) return { problem: `its option ${quoted(wanted, 100)} is disabled` };
      element.focus();
      const changed = !found.selected;
      if (element.multiple) found.selected = true; else element.value = found.value, element.selectedIndex = found.index;
      if (changed) {
        element.dispatchEvent(new Event("input", { bubbles: true }));
        element.dispatchEvent(new Event("change", { bubbles: true }));
      }
      return {};
    },
  };
  Object.defineProperty(window, "__pivotgym", { value: page });
})();
