import { LngLatBounds, Map as MapLibreMap, NavigationControl, Popup, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { addSymbols, emptyMarks, loadMarks, MARKS, markLayers, type MarkFacts } from "./marks";
import { readPalette } from "./palette";
import { popupContent } from "./popup";
import { Rows } from "./rows";
import { emptyStreets, StreetBackground, STREETS, streetLayers } from "./streets";
import { mapLibreLocale, readTexts, type MapTexts } from "./texts";

const NEAREST_ZOOM = 18; // the street around a single ticket, with its accuracy still visible

/** Draw the map into its holder; the page shows the same facts without it. */
export async function startMap(holder: HTMLElement): Promise<void> {
  const texts = readTexts(holder);
  const status = holder.querySelector<HTMLElement>("[data-map-status]")!;
  const say = (text: string): void => {
    status.textContent = text;
    status.hidden = text === "";
  };
  const map = createMap(holder, texts);
  if (!map) {
    holder.dataset["state"] = "error";
    say(texts.unsupported);
    return;
  }
  await map.once("load");
  addSymbols(map, document);
  const streets = new StreetBackground(map, holder.dataset["streets"]!, () => say(texts.streetsFailed));
  const marks = await loadMarks(map, holder.dataset["points"]!).catch(() => null);
  say(marks === null ? texts.pointsFailed : marks.features.length === 0 ? texts.empty : "");
  await lookAt(map, marks, streets, () => say(texts.streetsFailed));
  map.on("moveend", () => void streets.loadView());
  if (marks) bindMarks(map, marks, texts);
  await map.once("idle");
  holder.dataset["state"] = marks === null ? "error" : marks.features.length === 0 ? "empty" : "full";
}

function createMap(holder: HTMLElement, texts: MapTexts): MapLibreMap | null {
  setWorkerUrl(new URL(workerUrl, import.meta.url).href); // a file of our own origin: worker-src 'self' is enough
  const palette = readPalette(holder);
  try {
    const map = new MapLibreMap({
      container: holder.querySelector<HTMLElement>("[data-map-canvas]")!,
      style: {
        version: 8,
        sources: { [STREETS]: emptyStreets, [MARKS]: emptyMarks },
        layers: [...streetLayers(palette), ...markLayers(palette)],
      },
      locale: mapLibreLocale(texts),
      attributionControl: false, // the page states it in plain HTML
      cooperativeGestures: true, // scrolling the page must not get caught in the map
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxPitch: 0,
      maxZoom: 20,
    });
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new ScaleControl({ maxWidth: 96 }), "top-left");
    return map;
  } catch {
    return null;
  }
}

/** First view: all marks; without any, all streets the server has. */
async function lookAt(
  map: MapLibreMap, marks: GeoJSON.FeatureCollection | null, streets: StreetBackground, onFailure: () => void,
): Promise<void> {
  const around = marks ? boundsOf(marks) : null;
  if (around) {
    map.fitBounds(around, { padding: FRAME_PX, maxZoom: NEAREST_ZOOM, animate: false });
    await streets.loadView();
    return;
  }
  try {
    const everything = boundsOf(await streets.loadAll());
    if (everything) map.fitBounds(everything, { padding: 16, animate: false });
  } catch {
    onFailure();
  }
}

function boundsOf(collection: GeoJSON.FeatureCollection): LngLatBounds | null {
  const bounds = new LngLatBounds();
  const extend = (coordinates: unknown): void => {
    if (!Array.isArray(coordinates)) return;
    if (typeof coordinates[0] === "number") bounds.extend(coordinates as [number, number]);
    else coordinates.forEach(extend);
  };
  const seen = collection.features.filter((feature) => (feature.properties as MarkFacts | null)?.band !== "unknown");
  for (const feature of seen.length > 0 ? seen : collection.features) { // first what has a value
    if ("coordinates" in feature.geometry) extend(feature.geometry.coordinates);
  }
  return bounds.isEmpty() ? null : bounds;
}

function bindMarks(map: MapLibreMap, marks: GeoJSON.FeatureCollection, texts: MapTexts): void {
  const rows = new Rows(document);
  const places = placesOf(marks);
  const popup = new Popup({ closeButton: true, maxWidth: "18rem", offset: 16 });
  let chosen: string | null = null;

  const choose = (id: string | null): void => {
    if (chosen !== null) map.setFeatureState({ source: MARKS, id: chosen }, { chosen: false });
    chosen = id !== null && places.has(id) ? id : null;
    if (chosen !== null) map.setFeatureState({ source: MARKS, id: chosen }, { chosen: true });
  };
  const open = (id: string): void => {
    const place = places.get(id);
    if (!place) return;
    popup.setLngLat(place.at).setDOMContent(popupContent(place.facts, texts)).addTo(map);
  };

  rows.onPoint((id) => choose(id));
  rows.onShow((id) => {
    const place = places.get(id);
    if (!place) return;
    bringIntoSight(map.getContainer());
    map.easeTo({ center: place.at, zoom: Math.max(map.getZoom(), NEAREST_ZOOM) });
    choose(id);
    open(id);
  });
  for (const layer of ["segment", "segment-unknown"]) {
    map.on("click", layer, (event) => {
      const facts = event.features?.[0]?.properties as MarkFacts | undefined;
      if (facts) popup.setLngLat(event.lngLat).setDOMContent(popupContent(facts, texts)).addTo(map);
    });
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  map.on("mousemove", "mark", (event) => {
    const id = String(event.features?.[0]?.properties["id"] ?? "");
    map.getCanvas().style.cursor = "pointer";
    choose(id);
    rows.light(id);
  });
  map.on("mouseleave", "mark", () => {
    map.getCanvas().style.cursor = "";
    choose(null);
    rows.light(null);
  });
  map.on("click", "mark", (event) => {
    const id = String(event.features?.[0]?.properties["id"] ?? "");
    open(id);
    rows.light(id);
    rows.reveal(id);
  });
}

// Free of the controls at the top right and the attribution below.
const FRAME_PX = { top: 40, right: 72, bottom: 44, left: 32 };

/** Scroll only where the map cannot be seen: a page that jumps under the mouse points at another row. */
function bringIntoSight(element: HTMLElement): void {
  const { top, bottom } = element.getBoundingClientRect();
  const visiblePx = Math.min(bottom, window.innerHeight) - Math.max(top, 0);
  if (visiblePx < element.clientHeight / 2) element.scrollIntoView({ block: "nearest" });
}

interface Place {
  at: [number, number];
  facts: MarkFacts;
}

function placesOf(marks: GeoJSON.FeatureCollection): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const feature of marks.features) {
    if (feature.geometry.type !== "Point") continue;
    const facts = feature.properties as MarkFacts;
    places.set(facts.id, { at: feature.geometry.coordinates as [number, number], facts });
  }
  return places;
}
