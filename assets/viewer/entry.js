export { DataArrayTexture, FloatType, PerspectiveCamera, RGBAFormat, Scene, Vector3, WebGLRenderer } from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
export { dyno, SparkRenderer, SplatMesh } from "@sparkjsdev/spark";
