import "./styles/main.css";
import { guardForms } from "./forms";

guardForms(document);

const mapHolder = document.querySelector<HTMLElement>("[data-map]");
if (mapHolder) {
  void import("./map/start").then(({ startMap }) => startMap(mapHolder));
}
