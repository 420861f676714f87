import type { MarkFacts } from "./marks";
import type { MapTexts } from "./texts";

/** What a popup shows of one ticket. Only textContent: data never becomes markup. */
export function popupContent(facts: MarkFacts, texts: MapTexts): HTMLElement {
  const box = document.createElement("div");
  box.className = "map-popup";
  box.append(line("strong", facts.title), line("span", facts.place), line("span", facts.state));
  if (facts.href?.startsWith("/")) {
    const link = line("a", texts.open);
    link.className = "kern-link";
    link.setAttribute("href", facts.href);
    box.append(link);
  }
  return box;
}

function line(tag: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
