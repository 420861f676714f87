/** The rows of the table that belong to the marks: each row lights its mark and the other way round. */
export class Rows {
  private readonly byId = new Map<string, HTMLElement>();

  constructor(root: ParentNode) {
    for (const row of root.querySelectorAll<HTMLElement>("[data-mark]")) {
      this.byId.set(row.dataset["mark"]!, row);
    }
  }

  onPoint(handle: (id: string | null) => void): void {
    for (const [id, row] of this.byId) {
      row.addEventListener("mouseenter", () => handle(id));
      row.addEventListener("mouseleave", () => handle(null));
      row.addEventListener("focusin", () => handle(id));
      row.addEventListener("focusout", () => handle(null));
    }
  }

  /** The "show on the map" buttons exist only where there is a map. */
  onShow(handle: (id: string) => void): void {
    for (const [id, row] of this.byId) {
      const button = row.querySelector<HTMLButtonElement>("button[data-show]");
      if (!button) continue;
      button.hidden = false;
      button.addEventListener("click", () => handle(id));
    }
  }

  light(id: string | null): void {
    for (const [rowId, row] of this.byId) row.classList.toggle("is-lit", rowId === id);
  }

  reveal(id: string): void {
    this.byId.get(id)?.scrollIntoView({ block: "nearest" });
  }
}
