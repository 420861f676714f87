import type { ExpressionSpecification, GeoJSONSource, LayerSpecification, LngLatBounds, Map as MapLibreMap } from "maplibre-gl";
import type { Palette } from "./palette";

export const STREETS = "streets";
const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

const PATHS = ["track", "path", "footway", "cycleway", "bridleway", "steps"];
const MIDDLE = ["tertiary", "tertiary_link", "secondary", "secondary_link"];
const MAJOR = ["primary", "primary_link"];
const MOTORWAY = ["motorway", "motorway_link", "trunk", "trunk_link"];

const highwayIn = (classes: string[]): ExpressionSpecification => ["in", ["get", "highway"], ["literal", classes]];

/** Line width that doubles about every one and a half zoom levels, as real widths nearly do. */
const width = (atZoom12: number, atZoom18: number): ExpressionSpecification => [
  "interpolate", ["exponential", 1.6], ["zoom"], 8, atZoom12 / 3, 12, atZoom12, 18, atZoom18,
];

function road(id: string, classes: ExpressionSpecification, colour: string, widths: [number, number], casing: string): LayerSpecification[] {
  const shape = { "line-cap": "round", "line-join": "round" } as const;
  return [
    {
      id: `${id}-casing`, type: "line", source: STREETS, filter: classes, layout: shape,
      paint: { "line-color": casing, "line-width": width(widths[0] + 1.2, widths[1] + 3) },
    },
    {
      id, type: "line", source: STREETS, filter: classes, layout: shape,
      paint: { "line-color": colour, "line-width": width(widths[0], widths[1]) },
    },
  ];
}

/** Layers of the background: the imported streets by class, with their names, and nothing else. */
export function streetLayers(palette: Palette): LayerSpecification[] {
  const known = [...PATHS, ...MIDDLE, ...MAJOR, ...MOTORWAY];
  const minor: ExpressionSpecification = ["!", highwayIn(known)];
  const casings = [
    ...road("street-minor", minor, palette.minor, [2, 16], palette.casing),
    ...road("street-middle", highwayIn(MIDDLE), palette.middle, [3, 20], palette.casing),
    ...road("street-major", highwayIn(MAJOR), palette.major, [4, 24], palette.casing),
    ...road("street-motorway", highwayIn(MOTORWAY), palette.motorway, [4, 26], palette.casing),
  ];
  return [
    { id: "ground", type: "background", paint: { "background-color": palette.ground } },
    {
      id: "street-path", type: "line", source: STREETS, filter: highwayIn(PATHS), minzoom: 13,
      paint: { "line-color": palette.path, "line-width": width(0.6, 4), "line-dasharray": [3, 2] },
    },
    // All casings first: at a crossing no street cuts through another.
    ...casings.filter((layer) => layer.id.endsWith("-casing")),
    ...casings.filter((layer) => !layer.id.endsWith("-casing")),
    {
      id: "street-name", type: "symbol", source: STREETS, minzoom: 13,
      filter: ["all", ["any", ["has", "name"], ["has", "ref"]], ["!", highwayIn(PATHS)]],
      layout: {
        "symbol-placement": "line",
        "symbol-spacing": 320,
        "text-field": ["coalesce", ["get", "name"], ["get", "ref"]],
        "text-font": ["Fira Sans", "sans-serif"], // no glyphs URL: the browser draws with the page's own font
        "text-size": ["interpolate", ["linear"], ["zoom"], 13, 11, 18, 15],
        "text-max-angle": 35,
        "text-padding": 8,
      },
      paint: { "text-color": palette.label, "text-halo-color": palette.halo, "text-halo-width": 1.6 },
    },
  ];
}

/** Loads the streets of the view, and again when the view leaves what is loaded. */
export class StreetBackground {
  private loaded: LngLatBounds | null = null;
  private underWay: AbortController | null = null;

  constructor(
    private readonly map: MapLibreMap,
    private readonly url: string,
    private readonly onFailure: () => void,
  ) {}

  /** All streets the server has: for a first view when there is nothing else to look at. */
  async loadAll(): Promise<GeoJSON.FeatureCollection> {
    return this.fetchStreets(null);
  }

  async loadView(): Promise<void> {
    const view = this.map.getBounds();
    if (this.loaded && contains(this.loaded, view)) return;
    const wanted = padded(view);
    try {
      await this.fetchStreets(wanted);
      this.loaded = wanted;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) this.onFailure();
    }
  }

  private async fetchStreets(within: LngLatBounds | null): Promise<GeoJSON.FeatureCollection> {
    this.underWay?.abort();
    this.underWay = new AbortController();
    const address = new URL(this.url, window.location.href);
    if (within) address.searchParams.set("bbox", within.toArray().flat().map((degrees) => degrees.toFixed(6)).join(","));
    const response = await fetch(address, { signal: this.underWay.signal, credentials: "same-origin" });
    if (!response.ok) throw new Error(`streets: HTTP ${response.status}`);
    const streets = (await response.json()) as GeoJSON.FeatureCollection;
    this.map.getSource<GeoJSONSource>(STREETS)?.setData(streets);
    return streets;
  }
}

export const emptyStreets = { type: "geojson", data: EMPTY } as const;

function contains(outer: LngLatBounds, inner: LngLatBounds): boolean {
  return outer.contains(inner.getNorthEast()) && outer.contains(inner.getSouthWest());
}

function padded(view: LngLatBounds): LngLatBounds {
  const lon = (view.getEast() - view.getWest()) / 2;
  const lat = (view.getNorth() - view.getSouth()) / 2;
  const wider = new (view.constructor as typeof LngLatBounds)(view.getSouthWest(), view.getNorthEast());
  wider.extend([Math.max(-180, view.getWest() - lon), Math.max(-90, view.getSouth() - lat)]);
  wider.extend([Math.min(180, view.getEast() + lon), Math.min(90, view.getNorth() + lat)]);
  return wider;
}
