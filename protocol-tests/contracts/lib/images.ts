/** Real pictures, a few pixels each, one of every type the contracts accept. */

const BASE64 = {
  png:
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAYAAABytg0kAAAAEklEQVR4AWI6Y2z8H4SZGKAAAAAA//9GCLHHAAAABk" +
    "lEQVQDADraBGceUPKyAAAAAElFTkSuQmCC",
  jpeg:
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////////" +
    "//////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////" +
    "////////////////////////////////wAARCAACAAIDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xA" +
    "AUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAgP/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oA" +
    "DAMBAAIRAxEAPwCABXf/2Q==",
  gif: "R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=",
  webp: "UklGRjAAAABXRUJQVlA4ICQAAABwAQCdASoCAAIAB0CWJaACdAFAAAD+2ibFwyGI/JL1J+VgiAA=",
};

export type PictureType = keyof typeof BASE64;

export const PICTURE_TYPES = Object.keys(BASE64) as PictureType[];

export const bytesOf = (type: PictureType): Buffer => Buffer.from(BASE64[type], "base64");

/** The picture as the frontends' FileReader gives it. `padding` bytes follow the end of the image data. */
export function dataUrl(type: PictureType, padding = 0): string {
  const bytes = Buffer.concat([bytesOf(type), Buffer.alloc(padding)]);
  return `data:image/${type};base64,${bytes.toString("base64")}`;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** What must never be stored as a picture, by what is wrong with it. */
export const NOT_PICTURES: Record<string, string> = {
  "svg (can carry scripts)": `data:image/svg+xml;base64,${base64('<svg xmlns="http://www.w3.org/2000/svg"/>')}`,
  html: `data:text/html;base64,${base64("<script>alert(1)</script>")}`,
  "html called png": `data:image/png;base64,${base64("<html><script>alert(1)</script></html>")}`,
  "broken base64": "data:image/png;base64,%%%not base64%%%",
  "no bytes": "data:image/png;base64,",
  "remote address": "http://127.0.0.1:9/picture.png",
  "no address at all": "hello",
};
