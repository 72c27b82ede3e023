// The two programs of the scene: maps as cards, colored from their bytes; and lines of some width.

import { PAGE, SIDE } from "./tiles.js";

const SHARE = `${SIDE / PAGE}`;

export const CARD_VERTEX = `
precision highp float;
uniform mat4 projectionMatrix;
uniform mat4 viewMatrix;
in vec3 position;
in vec3 center;
in vec2 size;
in vec3 tile;
in vec3 look;
out vec2 at;
flat out vec3 place;
flat out vec3 how;
void main() {
  at = vec2(position.z, -position.y) + 0.5;
  place = tile;
  how = look;
  vec3 where = center + vec3(0.0, position.y * size.y, position.z * size.x);
  gl_Position = projectionMatrix * viewMatrix * vec4(where, 1.0);
}`;

export const CARD_FRAGMENT = `
precision highp float;
precision highp sampler2DArray;
uniform sampler2DArray tiles;
uniform sampler2D colors;
uniform vec3 blank;
uniform vec3 rim;
uniform vec3 accent;
in vec2 at;
flat in vec3 place;
flat in vec3 how;  // is signed, has come, is marked
out vec4 color;
void main() {
  vec2 inside = clamp(at, 0.001, 0.999);
  vec3 texel = vec3(place.xy + inside * ${SHARE}, place.z);
  float value = texture(tiles, texel).r;
  vec3 shown = texture(colors, vec2((value * 256.0 + 0.5) / 257.0, how.x * 0.5 + 0.25)).rgb;
  vec3 made = mix(blank, shown, how.y);
  vec2 width = fwidth(at) * (how.z > 0.5 ? 2.5 : 1.0);
  vec2 edge = min(at, 1.0 - at);
  bool isRim = edge.x < width.x || edge.y < width.y;
  bool isFar = max(width.x, width.y) > 0.12;
  if (isRim && (how.z > 0.5 || !isFar)) made = how.z > 0.5 ? accent : mix(made, rim, 0.6);
  color = vec4(made, 1.0);
}`;

export const LINE_VERTEX = `
precision highp float;
uniform mat4 projectionMatrix;
uniform mat4 viewMatrix;
uniform vec2 screen;
uniform vec3 palette[5];
uniform float widths[5];
in vec3 position;
in vec3 start;
in vec3 end;
in float role;
flat out vec3 ink;
void main() {
  vec4 a = viewMatrix * vec4(start, 1.0);
  vec4 b = viewMatrix * vec4(end, 1.0);
  // What is behind the eye is cut off before it is projected.
  if (a.z > -0.05 && b.z > -0.05) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    return;
  }
  if (a.z > -0.05) a = mix(b, a, (-0.05 - b.z) / (a.z - b.z));
  if (b.z > -0.05) b = mix(a, b, (-0.05 - a.z) / (b.z - a.z));
  vec4 from = projectionMatrix * a;
  vec4 to = projectionMatrix * b;
  vec2 along = (to.xy / to.w - from.xy / from.w) * screen;
  along = length(along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
  vec4 here = position.x < 0.5 ? from : to;
  int kind = int(role);
  vec2 away = vec2(-along.y, along.x) * position.y * widths[kind] / screen;
  ink = palette[kind];
  gl_Position = vec4(here.xy + away * here.w, here.zw);
}`;

export const LINE_FRAGMENT = `
precision highp float;
flat in vec3 ink;
out vec4 color;
void main() {
  color = vec4(ink, 1.0);
}`;
