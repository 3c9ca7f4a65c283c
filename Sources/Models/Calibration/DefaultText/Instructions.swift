extension DefaultText {
    static let instructions = #"""
        User: What is the difference between weather and climate?
        Assistant: Weather is what the atmosphere does at a certain place and time: it rains in Lisbon this morning. Climate is what it usually
        does there, taken over many years, together with how much it varies: in Lisbon, July brings about 5 millimetres of rain on average. A
        single cold winter says little about the climate; thirty winters that are each a little warmer than those before say a lot.

        User: Rewrite this sentence so that it is polite: "Send me the report now."
        Assistant: Could you please send me the report as soon as you have a moment? I would like to read it before the meeting.

        ### Instruction:
        List five things that one should check before a long journey by car.

        ### Response:
        1. Tyres: pressure and depth of the tread, the spare one included.
        2. Fluids: oil, coolant, and water for the windscreen.
        3. Lights: headlights, brake lights and indicators, with somebody standing behind the car.
        4. Papers: driving licence, registration, insurance, and a number to call if the car breaks down.
        5. Rest: who drives when, and where to stop. Tired drivers cause more accidents than worn tyres.

        ### Instruction:
        A train leaves at 14:35 and arrives at 17:10. It covers 310 kilometres. What is its average speed?

        ### Response:
        From 14:35 to 17:10 are 2 hours and 35 minutes, which is 2 + 35/60 = 2.583 hours. The average speed is 310 / 2.583 = 120 kilometres per
        hour.

        ### Instruction:
        Summarize the following text in one sentence.

        ### Input:
        The city council decided on Monday to close the market square to cars from next spring. Shop owners had asked for a trial period of
        six months, but a majority of the council preferred a permanent solution. The twelve bus lines that cross the square will keep their
        stops. The cost of the conversion is estimated at 4.2 million euros, of which the state pays a third.

        ### Response:
        From next spring the market square will be permanently closed to cars but not to buses, at a cost of 4.2 million euros.

        ### Instruction:
        Classify each of these sentences as positive, negative or neutral.

        ### Input:
        (a) The soup was cold and the waiter did not care.
        (b) The shop opens at nine.
        (c) I have rarely slept so well in a hotel.

        ### Response:
        (a) negative
        (b) neutral
        (c) positive

        User: I have 3 apples. I eat one and buy twice as many as I have left. How many apples do I have?
        Assistant: After eating one you have 3 - 1 = 2 apples left. Twice as many as that are 4, which you buy. Now you have 2 + 4 = 6 apples.

        User: Explain to a ten-year-old why the sky is blue.
        Assistant: Sunlight looks white, but it is a mixture of all the colours of the rainbow. On its way to your eye it bumps into the tiny
        particles of air. Blue light bumps around much more than red light does, so it comes at you from everywhere in the sky, not only from
        the sun. In the evening the light has to go through much more air. By then most of the blue has been scattered away, and what is left
        is orange and red.

        User: Can you give me a Python function that removes duplicates from a list but keeps the order?
        Assistant: Yes:

        ```python
        def unique(items):
            seen = set()
            result = []
            for item in items:
                if item not in seen:
                    seen.add(item)
                    result.append(item)
            return result
        ```

        If the items can be hashed, `list(dict.fromkeys(items))` does the same in one line, because dictionaries keep the order in which keys
        were inserted.

        User: Who wrote "Pride and Prejudice", and when did it appear?
        Assistant: Jane Austen. It was published in January 1813, without her name on the title page: it said only "by the author of Sense and
        Sensibility".

        ### Instruction:
        Write a short poem about a lost umbrella.

        ### Response:
        It waited on the seat of number nine,
        as patient as a dog, as black, as thin,
        and watched the people leaving, one by one,
        and thought of doors, and rain, and being in.
        At last the driver hung it on a hook
        with seven others. None of them could say
        whose hand it was that each of them still shook
        when clouds came up, and turned the evening grey.

        ### Instruction:
        Translate into French: "Excuse me, is there a pharmacy near here that is open on Sundays?"

        ### Response:
        Excusez-moi, y a-t-il près d'ici une pharmacie ouverte le dimanche ?

        ### Instruction:
        Give the capital of each country: Kenya, Peru, Norway, Vietnam, Canada.

        ### Response:
        Kenya: Nairobi. Peru: Lima. Norway: Oslo. Vietnam: Hanoi. Canada: Ottawa.

        User: My laptop does not start any more. The light comes on for a second and goes out again. What can I do?
        Assistant: That often means that it has too little power. Please try this in order, and tell me where it changes anything:

        1. Unplug everything, also memory sticks and docking stations.
        2. If the battery can be taken out, take it out and start with the charger alone.
        3. Hold the power button for thirty seconds with the charger unplugged, then plug it in and try again.
        4. Try another charger of the same voltage, if you can borrow one.

        If the light still goes out, something on the main board draws too much current, and that is a case for a workshop. Your files are most
        probably safe: the disk can be read in another computer.

        ### Instruction:
        Solve for x: 3(x - 4) = 2x + 5

        ### Response:
        3(x - 4) = 2x + 5
        3x - 12 = 2x + 5
        x - 12 = 5
        x = 17

        Check: 3(17 - 4) = 39 and 2 * 17 + 5 = 39.

        User: Is it true that one has to drink two litres of water a day?
        Assistant: Not as a rule for everybody. How much you need depends on your weight, on the heat, and on how much you move, and a good part of
        it is in food: soup, fruit and vegetables count, and so do tea and coffee. For most healthy adults thirst is a reliable guide. Older
        people feel it less and should drink at fixed times. With diseases of the heart or the kidneys it is best to ask a doctor, as too much
        can do harm as well.

        ### Instruction:
        Turn this list into a table with the columns name, age and city.

        ### Input:
        Aisha is 34 and lives in Leeds. Tomás, 51, lives in Porto. Yuki is 28; her home is Sapporo.

        ### Response:
        | name  | age | city    |
        |-------|-----|---------|
        | Aisha | 34  | Leeds   |
        | Tomás | 51  | Porto   |
        | Yuki  | 28  | Sapporo |

        ### Instruction:
        What are the advantages and disadvantages of working from home?

        ### Response:
        Advantages: no commuting, which saves time and money; more freedom to arrange the day; fewer interruptions for work that needs
        concentration; employers can hire people who live far away.

        Disadvantages: work and leisure run into each other; colleagues become strangers, and new ones never become anything else; small questions
        that would take ten seconds across a desk turn into meetings; not everybody has a quiet room. Many companies therefore settle on two or
        three days at the office.

        User: Which of these numbers is prime: 51, 53, 57?
        Assistant: 53. The others are divisible by 3: 51 = 3 * 17 and 57 = 3 * 19.

        ### Instruction:
        Correct the mistakes in this sentence: "Me and him was going to the store yesterday, but it were closed."

        ### Response:
        He and I went to the store yesterday, but it was closed.

        ### Instruction:
        Explain what a hash table is, in three sentences.

        ### Response:
        A hash table stores pairs of keys and values in an array. A function computes from each key the place in the array where its value
        belongs, so that it is found again without searching. Where two keys are given the same place, the table keeps both there in a short
        list, or moves the second one on to the next free place.

        User: Write an email to my landlord. The heating has been broken for three days.
        Assistant: Subject: Heating broken since Monday, flat 3B

        Dear Ms. Lindqvist,

        the heating in my flat has not worked since Monday morning. It is 15 degrees in the living room, and there is no warm water in the
        kitchen. The neighbours above me have the same problem. Could you please have it repaired by tomorrow, and tell me when the technician
        will come? I am at home until noon, and a neighbour has my key in the afternoon.

        Kind regards

        System: You answer briefly and say so when you do not know something.
        User: What will the weather be like in Oslo on 12 June next year?
        Assistant: I do not know; nobody can say that so far ahead. On average it is about 20 degrees there in the afternoon in mid-June, with rain on
        roughly four days in ten.
        User: And what should I pack?
        Assistant: Clothes for 10 to 25 degrees, in layers, and a light raincoat.

        ### Instruction:
        Extract the date, the amount and the recipient as JSON.

        ### Input:
        On 3 February 2022 the foundation transferred 12,500 euros to the Harbour Street Youth Orchestra.

        ### Response:
        {"date": "2022-02-03", "amount": 12500, "currency": "EUR", "recipient": "Harbour Street Youth Orchestra"}

        ### Instruction:
        Which of the following arguments is valid?

        ### Input:
        A. All poets drink tea. Lin drinks tea. So Lin is a poet.
        B. No fish can sing. Everything in this bucket is a fish. So nothing in this bucket can sing.

        ### Response:
        B is valid: if the premises are true, the conclusion must be true as well. A is not: people who are no poets may drink tea, too.

        User: Find the error in this function: def mean(xs): return sum(xs) / len(xs)
        Assistant: It is right for every list that is not empty. For an empty one `len(xs)` is 0 and Python raises ZeroDivisionError. Either check for that
        first and raise an error that says what is wrong, or use `statistics.mean`, which does so.

        ### Instruction:
        Roll two dice. What is the probability that the sum is 9 or more?

        ### Response:
        There are 36 equally likely outcomes. A sum of 9 comes up in 4 of them, 10 in 3, 11 in 2 and 12 in 1, together 10. The probability is
        10/36 = 5/18, about 27.8 %.

        """#
}
