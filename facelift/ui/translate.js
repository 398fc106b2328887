// translator(catalog): a function from the page's English words to those of a catalog, an object from English to another language.
// {names} in a sentence stand for whatever is there. What the catalog has not is looked for in its parts, and else stays as it is.
function translator(catalog) {
  const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const patterns = Object.keys(catalog).filter((key) => key.includes("{")).map((key) => {
    const names = [...key.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
    return { key, names, shape: new RegExp(`^${key.split(/\{\w+\}/).map(escape).join("([^,]{1,60}?)")}$`, "s") };
  });
  const whole = (text) => {
    if (Object.hasOwn(catalog, text)) return catalog[text];
    for (const { key, names, shape } of patterns) {
      const found = shape.exec(text);
      if (found) return names.reduce((said, name, i) => said.replace(`{${name}}`, () => whole(found[i + 1]) ?? found[i + 1]), catalog[key]);
    }
    return null;
  };
  const joined = (text, between) => {
    const parts = text.split(between), said = parts.map(whole);
    return parts.length > 1 && said.some((part) => part !== null) ? said.map((part, i) => part ?? parts[i]).join(between.source ? " " : between) : null;
  };
  return (text) => {
    const [, before, words, after] = /^(\s*)(.*?)((?: …)?\s*)$/s.exec(text);
    if (!/[a-z]/i.test(words)) return text;
    const said = whole(words + after.trimEnd()) ?? (whole(words) ?? joined(words, ", ") ?? joined(words, /(?<=[.!?]) (?=[A-Z])/) ?? words) + after.trimEnd();
    return before + said + after.slice(after.trimEnd().length);
  };
}

// Words of the page, and those that come later, in the first language that the visitor's browser asks for and that is there.
async function translatePage(addresses) {
  const asked = navigator.languages.map((language) => language.toLowerCase().split("-")[0]);
  const language = asked.find((one) => one === "en" || addresses[one]) ?? "en";
  document.documentElement.lang = language; // Gradio takes the browser's first, whatever the words are
  if (language === "en") return;
  const answer = await fetch(new URL(addresses[language], document.baseURI));
  if (!answer.ok) throw new Error(`${answer.status} for the words in ${language}`);
  const say = translator(await answer.json());
  const ATTRIBUTES = ["aria-label", "title", "placeholder"], LEFT = "script, style, code, textarea";
  const told = new WeakMap(); // texts that are ours already

  const ofText = (node) => {
    if (told.get(node) === node.data || node.parentElement?.closest(LEFT)) return;
    const said = say(node.data);
    if (said !== node.data) node.data = said;
    told.set(node, said);
  };
  const ofElement = (element) => {
    for (const name of ATTRIBUTES) {
      const text = element.getAttribute(name), said = text && say(text);
      if (said !== text) element.setAttribute(name, said);
    }
  };
  const all = (root) => {
    if (root.nodeType === Node.TEXT_NODE) return ofText(root);
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = root; node; node = walker.nextNode()) node.nodeType === Node.TEXT_NODE ? ofText(node) : ofElement(node);
  };
  all(document.body);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "characterData") ofText(change.target);
      else if (change.type === "attributes") ofElement(change.target);
      else change.addedNodes.forEach(all);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES });
}
