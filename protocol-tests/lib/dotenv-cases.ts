/** Texts of `.env` files for `dotenv.test.ts`: what people write, and what a grammar of odd pieces makes of it. */

const written = [
  "",
  "A=1",
  "A=1\nB=2\n",
  "A = 1",
  " A=1",
  "\tA\t=\t1\t",
  "A=",
  "A=\nB=2",
  "A",
  "A B=1",
  "=1",
  "\ufeffA=1\r\nB=2\r\n",
  "A=1\rB=2",
  "export A=1",
  "export\tA = 1",
  "export  export A=1",
  "export=1",
  "export =1",
  "export\nA=1",
  "exportA=1",
  "# A=1\nB=2",
  "#A=1 # more",
  "A=1 # more",
  "A=1#more",
  "A=#more",
  "A= #more",
  "A='1 # 2' # more",
  "A='1'# more",
  "A='1' more",
  "A=correct horse battery staple",
  "A=C:\\Users\\me\\new",
  'A="C:\\Users\\me\\new"',
  "A=abc$def0123",
  "A=abc\\$def",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that nothing is expanded is the point
  "B=2\nA=${B}$B${C:-x}",
  'A="abc$def"',
  "A=' blanks '",
  "A='it\\'s'",
  "A='it's'",
  'A="say \\"hi\\""',
  'A="one\\ntwo\\rthree\\tfour"',
  'A="one\\\\ntwo"',
  "A='one\\ntwo'",
  "A=`one\\ntwo 'three' \"four\"`",
  'A="one\ntwo"\nB=3',
  "A='one\r\ntwo'\r\nB=3",
  "A='one\n# two\nB=3'\nC=4",
  "A='one\nB=2",
  'A="one\nB="two"',
  'A="one',
  "A=one'",
  "A='\\'",
  "A='\\' # more",
  "A='\\''",
  "A='a\\'b\\'c",
  "A='a\\' \nb\\'c'd",
  'A=""',
  "A=''",
  "A='",
  'A="\'"',
  "A='a'b'",
  "A: 1",
  "A:1",
  "A : 1",
  "A:\nB=1",
  "A:\n\nB=1",
  "A: 'x'\nB: \"y\"",
  "A:=1",
  "A\n=1",
  "A=\n'one'",
  'A=\n\n"one"\nB=2',
  "A==1",
  "A=1=2",
  "A=1\nA=2",
  "A.b-c_d=1",
  "A/b=1",
  "\u00e4=1\nB=2",
  "A=\u00e4\u20ac\ud83d\ude00",
  "A=\u00a0x\u3000",
  "A=x\u0085",
  "1A=1",
  "-=1",
  "KEY='-----BEGIN KEY-----\nabc\n-----END KEY-----'\nB=1",
  'JSON={"a": "b", "c": [1, 2]}',
  "URL=https://user:p%40ss@host/path?a=b&c=d#fragment",
  "MONGODB_URI=mongodb://u:p4ss word@127.0.0.1/chat",
];

const pieces = [
  ..."AB'\"`\\#=:  \n\n$-",
  "A=",
  "\nB=",
  "='",
  '="',
  "=`",
  "\\'",
  '\\"',
  "\\n",
  "\\r",
  "export ",
  "\r\n",
  "\t",
  "\ufeff",
  "\u00e9",
  ": ",
  " # ",
];

const beginnings = ["", "A=", "A='", 'A="', "A=`", "A: ", "export A="];

/** The same ones on every machine. */
export function texts(randomCount: number): string[] {
  let state = 0x2545f491;
  const below = (bound: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
  const random = () => {
    const length = 1 + below(14);
    const rest = Array.from({ length }, () => pieces[below(pieces.length)]);
    return beginnings[below(beginnings.length)] + rest.join("");
  };
  return [...new Set([...written, ...Array.from({ length: randomCount }, random)])];
}
