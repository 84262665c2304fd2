/** What the server accepts, and what the file chooser offers. */
export const PICTURE_TYPES = "image/png,image/jpeg,image/gif,image/webp";
/** Below the server's default limit of 5 MB. */
const PICTURE_BYTES_MAX = 4_500_000;
/** Smaller files travel as they are, unless they must be cropped. */
const AS_IS_BYTES_MAX = 300_000;
const JPEG_QUALITY = 0.87;

/** Its message is a sentence for the user. */
export class PictureError extends Error {}

/** A picture file as a data URL no larger than the server takes: scaled down to `sideMaxPx`, or cropped square. */
export async function toDataUrl(file: File, sideMaxPx: number, crop?: "square"): Promise<string> {
  if (!PICTURE_TYPES.split(",").includes(file.type)) {
    throw new PictureError("Please choose a PNG, JPEG, GIF or WebP picture.");
  }
  // A canvas would keep only the first frame of an animation.
  const isAsIs = !crop && (file.type === "image/gif" || file.size <= AS_IS_BYTES_MAX);
  if (!isAsIs) return redraw(file, sideMaxPx, crop);
  if (file.size > PICTURE_BYTES_MAX) throw new PictureError("This picture is too large.");
  return read(file);
}

async function redraw(file: File, sideMaxPx: number, crop?: "square"): Promise<string> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch (cause) {
    throw new PictureError("This picture cannot be read.", { cause });
  }
  const side = Math.min(bitmap.width, bitmap.height);
  const width = crop ? side : bitmap.width;
  const height = crop ? side : bitmap.height;
  const scale = Math.min(1, sideMaxPx / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new PictureError("This browser cannot scale pictures.");
  // JPEG has no transparency.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const [left, top] = [(bitmap.width - width) / 2, (bitmap.height - height) / 2];
  context.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", JPEG_QUALITY);
}

function read(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new PictureError("This picture cannot be read.", { cause: reader.error }));
    reader.readAsDataURL(file);
  });
}
