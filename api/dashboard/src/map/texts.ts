/** The map's words, written by the server from the one catalogue. */
export interface MapTexts {
  title: string;
  empty: string;
  streetsFailed: string;
  pointsFailed: string;
  unsupported: string;
  open: string;
  zoomIn: string;
  zoomOut: string;
  close: string;
  scrollHelp: string;
  scrollHelpMac: string;
  touchHelp: string;
}

export function readTexts(holder: HTMLElement): MapTexts {
  return JSON.parse(holder.dataset["texts"] ?? "{}") as MapTexts;
}

/** The same words under the names MapLibre asks for. */
export function mapLibreLocale(texts: MapTexts): Record<string, string> {
  return {
    "Map.Title": texts.title,
    "NavigationControl.ZoomIn": texts.zoomIn,
    "NavigationControl.ZoomOut": texts.zoomOut,
    "Popup.Close": texts.close,
    "CooperativeGesturesHandler.WindowsHelpText": texts.scrollHelp,
    "CooperativeGesturesHandler.MacHelpText": texts.scrollHelpMac,
    "CooperativeGesturesHandler.MobileHelpText": texts.touchHelp,
  };
}
