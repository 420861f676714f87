import type {
  ExpressionSpecification, GeoJSONSource, GeoJSONSourceSpecification, LayerSpecification, Map as MapLibreMap,
} from "maplibre-gl";
import type { Palette } from "./palette";

export const MARKS = "marks";
const MARK_PX = 30;
const SEGMENT_WIDTH: ExpressionSpecification = ["interpolate", ["linear"], ["zoom"], 11, 2.5, 15, 6, 18, 12];
const UNKNOWN_WIDTH: ExpressionSpecification = ["interpolate", ["linear"], ["zoom"], 11, 1, 15, 2, 18, 4];

/** What the server tells about one point; the table shows the same facts. */
export interface MarkFacts {
  id: string;
  symbol?: string;
  band?: string;
  title: string;
  place: string;
  state: string;
  href: string | null;
}

export const emptyMarks: GeoJSONSourceSpecification = {
  type: "geojson",
  data: { type: "FeatureCollection", features: [] },
  promoteId: "id",
};

/** Layers of the marks: where it may be (95 %), a ring under the chosen one, the class symbol. */
export function markLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: "segment-unknown", type: "line", source: MARKS, filter: ["==", ["get", "band"], "unknown"],
      paint: { "line-color": palette.unknown, "line-width": UNKNOWN_WIDTH, "line-dasharray": [2, 1.5] },
    },
    {
      id: "segment", type: "line", source: MARKS,
      filter: ["all", ["has", "band"], ["!=", ["get", "band"], "unknown"]],
      paint: {
        "line-color": [
          "match", ["get", "band"],
          "blue", palette.blue, "dark_green", palette.darkGreen, "light_green", palette.lightGreen,
          "yellow", palette.yellow, palette.red,
        ],
        "line-width": SEGMENT_WIDTH,
      },
    },
    {
      id: "mark-area", type: "fill", source: MARKS, filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": palette.mark, "fill-opacity": 0.14 },
    },
    {
      id: "mark-area-edge", type: "line", source: MARKS, filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "line-color": palette.mark, "line-width": 1.5, "line-dasharray": [3, 2] },
    },
    {
      id: "mark-ring", type: "circle", source: MARKS, filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 11, 13, 16, 22],
        "circle-color": palette.mark,
        "circle-opacity": ["case", ["boolean", ["feature-state", "chosen"], false], 0.28, 0],
        "circle-stroke-color": palette.mark,
        "circle-stroke-width": 2.5,
        "circle-stroke-opacity": ["case", ["boolean", ["feature-state", "chosen"], false], 1, 0],
      },
    },
    {
      id: "mark", type: "symbol", source: MARKS, filter: ["==", ["geometry-type"], "Point"],
      layout: {
        "icon-image": ["concat", "damage-", ["get", "symbol"]],
        "icon-size": ["interpolate", ["linear"], ["zoom"], 11, 0.55, 15, 0.8, 19, 1],
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
      },
    },
  ];
}

/** Draw the class symbols of the page's legend (each an SVG path in a 24 × 24 box) as map images. */
export function addSymbols(map: MapLibreMap, legend: ParentNode): void {
  const ratio = 2; // sharp on dense screens, and still small
  for (const entry of legend.querySelectorAll<SVGElement>("svg[data-symbol]")) {
    const name = `damage-${entry.dataset["symbol"]}`;
    const drawing = entry.querySelector("path")?.getAttribute("d");
    if (!drawing || map.hasImage(name)) continue;
    map.addImage(name, drawSymbol(drawing, getComputedStyle(entry).color, ratio), { pixelRatio: ratio });
  }
}

function drawSymbol(drawing: string, colour: string, ratio: number): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = MARK_PX * ratio;
  const pen = canvas.getContext("2d")!;
  pen.scale(ratio, ratio);
  const middle = MARK_PX / 2;
  pen.beginPath();
  pen.arc(middle, middle, middle - 1.5, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = "#fff";
  pen.stroke();
  pen.translate(middle - 10, middle - 10);
  pen.scale(20 / 24, 20 / 24);
  pen.fillStyle = "#fff";
  pen.fill(new Path2D(drawing), "evenodd");
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

export async function loadMarks(map: MapLibreMap, url: string): Promise<GeoJSON.FeatureCollection> {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`points: HTTP ${response.status}`);
  const marks = (await response.json()) as GeoJSON.FeatureCollection;
  map.getSource<GeoJSONSource>(MARKS)?.setData(marks);
  return marks;
}
